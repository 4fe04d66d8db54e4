"""The roles of a real warehouse: made by an administrator, compared with the map, entered by a login."""

import pytest
from project import REPOSITORY
from roled_warehouse import RoledWarehouse

from luigi_tasks import warehouse
from luigi_tasks.cli.roles import format_statements
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy.grants import Differences
from luigi_tasks.warehouse import layers, migrations

WRITER = "etl.append_audit(text,text,text)"


def test_roles__are_made_before_there_is_anything(shared: RoledWarehouse):
    assert shared.compare().missing[0] == "the role sm_loader is missing"
    shared.apply()
    assert shared.compare() == Differences()

    shared.log_in("pipeline")
    migrations.apply()
    assert shared.compare() == Differences()
    owner = "select distinct relowner::regrole::text from pg_class where relnamespace = 'etl'::regnamespace"
    assert shared.rows(owner) == [("sm_loader",)]


def test_roles__take_over_what_one_login_owned(shared: RoledWarehouse):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "name_role", lambda name: None)
        shared.rows("grant create on database shared to pipeline")
        shared.log_in("pipeline")
        migrations.apply()
        shared.rows(
            "create schema marts authorization pipeline; create table raw_data.of_others (); set role pipeline; "
            "create view marts.platform_mart as select 1 as posts; "
            "comment on view marts.platform_mart is 'Written by the stage Publish.'; "
            "grant select on marts.platform_mart to public; grant select (email) on raw_data.users to public"
        )
    shared.apply()

    assert shared.compare().missing == ()
    assert shared.compare().extra == ("pipeline has create on database shared",)
    assert shared.rows(
        "select relowner::regrole::text from pg_class where oid in ('marts.platform_mart'::regclass, "
        "'raw_data.users'::regclass, 'raw_data.of_others'::regclass) order by 1"
    ) == [("sm_loader",), ("sm_publisher",), ("socialmart",)]
    shared.log_in("pipeline")
    with warehouse.reading() as cursor:
        assert migrations.is_current(cursor)
    shared.apply()
    assert shared.compare().missing == ()


@pytest.mark.parametrize(
    ("damage", "repair", "said"),
    [
        ("revoke select on etl.runs from sm_auditor", "", "sm_auditor lacks select on table etl.runs"),
        ("revoke usage on schema marts from sm_analyst", "", "sm_analyst lacks usage on schema marts"),
        ("revoke delete on etl.relations from sm_publisher", "", "sm_publisher lacks delete on table etl.relations"),
        (
            "alter default privileges for role sm_publisher in schema marts revoke select on tables from sm_analyst",
            "",
            "sm_analyst lacks select on new tables in marts",
        ),
        (
            "alter table raw_data.users owner to stranger",
            "",
            "table raw_data.users is owned by stranger, not by sm_loader",
        ),
        ("revoke sm_publisher from pipeline", "", "pipeline may not enter sm_publisher"),
        ("drop schema candidates", "", "the schema candidates is missing"),
        ("grant select on raw_data.users to sm_analyst", "", "sm_analyst has select on table raw_data.users"),
        ("grant select (email) on raw_data.users to public", "", "public has select on column raw_data.users.email"),
        ("grant create on schema marts to sm_analyst", "", "sm_analyst has create on schema marts"),
        ("grant temporary on database shared to public", "", "public has temporary on database shared"),
        (
            "alter default privileges for role sm_loader in schema raw_data grant select on tables to sm_analyst",
            "",
            "sm_analyst has select on new tables in raw_data",
        ),
        (
            "grant select on raw_data.posts to stranger",
            "revoke select on raw_data.posts from stranger",
            "stranger has select on table raw_data.posts",
        ),
        ("grant sm_loader to stranger", "revoke sm_loader from stranger", "stranger is a member of sm_loader"),
        (
            "grant pg_read_all_data to stranger",
            "revoke pg_read_all_data from stranger",
            "stranger is a member of pg_read_all_data",
        ),
        (
            "grant pg_execute_server_program to sm_analyst",
            "revoke pg_execute_server_program from sm_analyst",
            "sm_analyst is a member of pg_execute_server_program",
        ),
        (
            "grant pg_monitor to pipeline",
            "revoke pg_monitor from pipeline",
            "pipeline inherits the rights of pg_monitor, instead of entering it",
        ),
        ("alter role sm_analyst createdb", "alter role sm_analyst nocreatedb", "sm_analyst may create databases"),
        ("alter role sm_officer login", "alter role sm_officer nologin", "sm_officer may log in"),
        (
            f"alter function {WRITER} owner to sm_publisher",
            "",
            f"function {WRITER} is owned by sm_publisher, not by sm_loader",
        ),
        (
            "revoke execute on function etl.digest_query from public",
            "",
            "public lacks execute on function etl.digest_query(oid)",
        ),
        (f"grant execute on function {WRITER} to public", "", f"public has execute on function {WRITER}"),
        (
            f"grant execute on function {WRITER} to stranger",
            f"set role sm_loader; revoke execute on function {WRITER} from stranger",
            f"stranger has execute on function {WRITER}",
        ),
        (
            f"alter function {WRITER} reset search_path",
            f"alter function {WRITER} set search_path = pg_catalog",
            f"function {WRITER} finds names where its caller looks: alter function {WRITER} set search_path = "
            "pg_catalog",
        ),
        (
            f"alter function {WRITER} set search_path = etl, pg_catalog",
            f"alter function {WRITER} set search_path = pg_catalog",
            f"function {WRITER} finds names where its caller looks: alter function {WRITER} set search_path = "
            "pg_catalog",
        ),
        (
            "alter function etl.digest_query security definer",
            "alter function etl.digest_query security invoker",
            "function etl.digest_query(oid) gives whoever calls it the rights of sm_loader",
        ),
        (
            "create function public.users() returns bigint language sql security definer return 1; "
            "alter function public.users owner to sm_loader",
            "drop function public.users",
            "function public.users() gives whoever calls it the rights of sm_loader",
        ),
        (
            "grant usage on sequence etl.set_aside_position_seq to stranger",
            "revoke usage on sequence etl.set_aside_position_seq from stranger",
            "stranger has usage on sequence etl.set_aside_position_seq",
        ),
        (
            "alter default privileges for role sm_loader grant select on tables to stranger",
            "alter default privileges for role sm_loader revoke select on tables from stranger",
            "stranger has select on new tables of sm_loader",
        ),
        (
            "alter role pipeline set role = 'sm_publisher'",
            "alter role pipeline reset role",
            "sessions of pipeline begin with role = sm_publisher: alter role pipeline reset role",
        ),
        (
            "alter database shared set dynamic_library_path = '$libdir'",
            "alter database shared reset dynamic_library_path",
            "sessions of pipeline begin with dynamic_library_path = $libdir: alter database shared reset "
            "dynamic_library_path",
        ),
        (
            "alter role pipeline in database shared set zero_damaged_pages = on",
            "alter role pipeline in database shared reset zero_damaged_pages",
            "sessions of pipeline begin with zero_damaged_pages = on: alter role pipeline in database shared reset "
            "zero_damaged_pages",
        ),
    ],
)
def test_roles__every_difference_from_the_map_is_named(shared: RoledWarehouse, damage: str, repair: str, said: str):
    shared.apply()
    shared.log_in("pipeline")
    migrations.apply()
    shared.rows(damage)

    found = shared.compare()
    assert [*found.missing, *found.extra] == [said]

    shared.rows(repair or "select 1")
    shared.apply()
    assert shared.compare() == Differences()


def test_roles__are_made_by_an_owner_who_may_create_roles(shared: RoledWarehouse):
    shared.rows("alter database shared owner to maker")
    shared.apply("maker", login="maker")
    shared.log_in("maker")
    migrations.apply()
    assert shared.compare("maker").missing == ()


def test_roles__nothing_is_made_by_who_may_not(shared: RoledWarehouse):
    with pytest.raises(
        PipelineError, match=r"roles: the server refuses do \$\$ begin .*permission denied.*nothing was"
    ):
        shared.apply("stranger")
    assert shared.rows("select 1 from pg_roles where rolname like 'sm\\_%'") == []


def test_roles__a_login_that_is_none_is_named(shared: RoledWarehouse):
    with pytest.raises(PipelineError, match="roles: there is no login nobody; name the pipeline's by --login"):
        shared.apply(login="nobody")


def test_session__who_may_not_enter_a_role_is_told_so(shared: RoledWarehouse):
    shared.apply()
    shared.log_in("stranger")
    shared.rows("grant connect on database shared to stranger")
    with pytest.raises(PipelineError, match=r"user stranger cannot enter the role sm_loader .* apply --login stranger"):
        warehouse.connect()
    shared.log_in("pipeline")
    shared.rows("revoke sm_publisher from pipeline")
    with (
        pytest.raises(PipelineError, match="user pipeline cannot enter the role sm_publisher"),
        warehouse.transaction() as cursor,
        layers.acting_as(cursor, layers.PUBLISHER),
    ):
        pass


def test_acting_as__ends_with_the_block_and_with_a_rollback(shared: RoledWarehouse):
    shared.apply()
    shared.log_in("pipeline")
    with warehouse.transaction() as cursor:
        with layers.acting_as(cursor, layers.TRANSFORMER):
            assert _who(cursor) == "sm_transformer"
        assert _who(cursor) == "sm_loader"
    with pytest.raises(ZeroDivisionError), warehouse.transaction() as cursor, layers.acting_as(cursor, "publisher"):
        raise ZeroDivisionError
    with warehouse.transaction() as cursor:
        assert _who(cursor) == "sm_loader"
        cursor.execute("savepoint before")
        with pytest.raises(ZeroDivisionError), layers.acting_as(cursor, layers.PUBLISHER):
            try:
                cursor.execute("select 1 / 0")
            except Exception:
                raise ZeroDivisionError from None
        cursor.execute("rollback to savepoint before")
        assert _who(cursor) == "sm_loader"


def test_containers__have_the_grants_of_the_map(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layers, "name_role", lambda name: f"socialmart_{name}")
    grants_of_containers = (REPOSITORY / "containers" / "postgres" / "grants.sql").read_text(encoding="utf-8")
    assert grants_of_containers == format_statements("socialmart", "warehouse") + "\n", "run make grants"


def _who(cursor) -> str:
    cursor.execute("select current_user::text")
    return cursor.fetchone()[0]
