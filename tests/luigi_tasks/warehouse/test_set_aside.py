"""What depends on a relation is set aside and made again, in a real PostgreSQL."""

import re

import pytest

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import anomalies
from luigi_tasks.warehouse import migrations, set_aside


def execute(sql: str) -> list[tuple]:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def numbers(own_warehouse) -> None:
    migrations.apply()
    execute('create schema "Ours"; create table "Ours"."Numbers" as select 1 as "N"')


def replace_numbers(column: str = "N") -> None:
    with warehouse.transaction() as cursor:
        cursor.execute("""select '"Ours"."Numbers"'::regclass::oid::bigint""")
        set_aside.set_aside(cursor, [cursor.fetchone()[0]])
        cursor.execute(f'drop table "Ours"."Numbers"; create table "Ours"."Numbers" as select 2 as "{column}"')


def restore() -> dict[str, str]:
    with warehouse.transaction() as cursor:
        return set_aside.restore(cursor)


def test_restore__makes_a_chain_with_names_to_quote_again(numbers):
    execute("""create schema "a b"; create view "a b"."V%" as select "N" from "Ours"."Numbers" where '%s' <> ''""")
    execute("""create view public."W'" as select "N" + 1 as n from "a b"."V%" """)
    replace_numbers()
    assert restore() == {}
    assert execute("""select * from public."W'" """) == [(3,)]


def test_restore__leaves_a_view_alone_that_its_owner_made_again(numbers):
    execute('create view public.v as table "Ours"."Numbers"')
    replace_numbers()
    execute("create view public.v as select 7 as n")
    assert restore() == {}
    assert execute("table public.v") == [(7,)]
    assert execute("table etl.set_aside") == []


def test_restore__keeps_a_materialized_view_whose_index_has_a_name_that_is_taken(numbers):
    execute('create materialized view public.m as table "Ours"."Numbers"; create index taken on public.m ("N")')
    replace_numbers()
    execute("create table public.taken ()")
    assert restore() == {"materialized view public.m": 'relation "taken" already exists'}
    execute("drop table public.taken")
    assert restore() == {}


def test_restore__gives_nobody_a_right_that_was_taken_from_the_relation_before(numbers):
    execute("create role one; create role two; alter default privileges grant select on tables to one, two")
    execute('grant select on "Ours"."Numbers" to two')
    replace_numbers()
    assert restore() == {}
    rights = """has_table_privilege('{}', '"Ours"."Numbers"', 'select')"""
    assert execute(f"select {rights.format('one')}, {rights.format('two')}") == [(False, True)]


def test_restore__lets_a_grant_on_a_column_end_with_it(numbers):
    execute('grant select ("N") on "Ours"."Numbers" to pg_monitor')
    replace_numbers("Other")
    assert restore() == {}
    assert execute("table etl.set_aside") == []


def test_restore__makes_policies_before_it_grants_and_grants_nothing_without_them(numbers):
    execute('alter table "Ours"."Numbers" enable row level security; grant select on "Ours"."Numbers" to pg_monitor')
    execute('create policy p on "Ours"."Numbers" using ("N" > 0)')
    replace_numbers("Other")
    assert restore() == {'rights "Ours"."Numbers"': 'column "N" does not exist'}
    reads = """select has_table_privilege('pg_monitor', '"Ours"."Numbers"', 'select')"""
    assert execute(reads) == [(False,)]
    execute('alter table "Ours"."Numbers" rename "Other" to "N"')
    assert restore() == {}
    assert execute(f"{reads}, relrowsecurity from pg_class where relname = 'Numbers'") == [(True, True)]


def test_set_aside__leaves_temporary_views_and_function_bodies_alone(numbers):
    execute("""create function public.f() returns int language sql as 'select "N" from "Ours"."Numbers"'""")
    execute("create view public.calls as select public.f() as n")
    execute('create temporary view passing as table "Ours"."Numbers"')
    with warehouse.transaction() as cursor:
        cursor.execute("""select '"Ours"."Numbers"'::regclass::oid::bigint""")
        assert not set_aside.set_aside(cursor, [cursor.fetchone()[0]])
    assert execute("table public.calls") == [(1,)]


def test_restore__makes_views_of_a_role_again_whose_member_the_loader_is(numbers):
    execute(
        "create role loader; create role analyst; grant analyst to loader; create schema analyst authorization analyst"
    )
    execute('alter schema "Ours" owner to loader; alter table "Ours"."Numbers" owner to loader')
    execute('grant usage on schema "Ours" to analyst; grant select on "Ours"."Numbers" to analyst')
    execute("grant usage on schema etl to loader; grant all on etl.set_aside to loader")
    execute('set role analyst; create materialized view analyst.m as table "Ours"."Numbers"; reset role')
    execute("set role loader")
    replace_numbers()
    assert restore() == {}
    execute("reset role")
    assert execute("select relowner::regrole::text from pg_class where relname = 'm'") == [("analyst",)]
    assert execute("table analyst.m") == [(2,)]


def test_restore__runs_functions_of_others_as_their_owners(numbers):
    execute(
        "create role analyst; create schema analyst authorization analyst; set role analyst; "
        "create function analyst.who(int) returns int immutable language plpgsql as "
        "'begin if current_user <> ''analyst'' then raise ''lent to %'', current_user; end if; return 1; end'; "
        "reset role"
    )
    execute('grant usage on schema "Ours" to analyst; grant select on "Ours"."Numbers" to analyst; set role analyst')
    execute('create view analyst.v as select analyst.who(1) as one, "N" from "Ours"."Numbers"')
    execute("create materialized view analyst.m as table analyst.v")
    execute("create index on analyst.m ((one + analyst.who(1))); reset role")
    replace_numbers()
    assert restore() == {}
    assert execute("set role analyst; table analyst.m") == [(1, 2)]


def test_set_aside__refuses_what_its_role_may_not_drop(numbers, monkeypatch):
    execute(
        'create role loader login; alter schema "Ours" owner to loader; alter table "Ours"."Numbers" owner to loader'
    )
    execute("grant usage on schema etl to loader; grant all on etl.set_aside to loader")
    execute('create schema analyst; create view analyst.v as table "Ours"."Numbers"')
    refused = r"view analyst\.v \(permission denied for schema analyst\)"
    with pytest.raises(PipelineError, match=refused), warehouse.transaction() as cursor:
        cursor.execute("set local role loader")
        cursor.execute("""select '"Ours"."Numbers"'::regclass::oid::bigint""")
        set_aside.set_aside(cursor, [cursor.fetchone()[0]])
    assert execute("table analyst.v") == [(1,)]


def test_find_set_aside__is_a_remark_of_the_run(numbers):
    execute('create role analyst; create view public.v as select "N" from "Ours"."Numbers"')
    execute("alter view public.v owner to analyst")
    replace_numbers("Other")
    restore()
    with warehouse.transaction() as cursor:
        [found] = anomalies.find_set_aside(cursor)
    assert re.fullmatch(
        r"view public\.v of analyst is set aside since ....-..-.. ..:..: column \S+ does not exist; "
        r"etl\.set_aside has its SQL",
        found.text,
    )
