"""A full refresh of dbt, as DbtRun does it: what others made on its models is there again afterwards."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from dbt_commands import Dbt

from luigi_tasks import config, warehouse
from luigi_tasks.dbt import replacement
from luigi_tasks.dbt.messages import Model
from luigi_tasks.errors import PipelineError

OF_OTHERS = """
create role analyst;
create role reader;
create schema analyst authorization analyst;
grant usage on schema core, staging, candidates to analyst, reader;
grant select on core.dim_users, core.dim_posts, staging.stg_users, candidates.tag_analysis_mart to analyst;
grant select (user_sk, username) on core.dim_users to reader;
grant select on core.dim_tags to reader with grant option;
alter table core.dim_posts enable row level security;
create policy of_reader on core.dim_posts for select to reader using (post_id <> 'secret');
create function analyst.audit() returns trigger language plpgsql as 'begin return new; end';
create trigger audit before delete on core.dim_posts for each row execute function analyst.audit();
create statistics analyst.of_users (ndistinct) on username, email from core.dim_users;
create table analyst.notes (user_sk uuid references core.dim_users (user_sk), note text);
set role analyst;
create view analyst.users with (security_barrier = true) as select user_sk, username from core.dim_users;
comment on view analyst.users is 'What others may see.';
comment on column analyst.users.username is 'A name.';
alter view analyst.users alter column username set default 'nobody';
create rule note_insert as on insert to analyst.users do instead nothing;
grant select on analyst.users to reader;
create function analyst.count_users() returns bigint language sql begin atomic select count(*) from analyst.users; end;
revoke execute on function analyst.count_users() from public;
create function analyst.count_later() returns bigint language sql as 'select count(*) from analyst.users';
create materialized view analyst.counted as select analyst.count_users() as users, analyst.count_later() as later;
create unique index counted_once on analyst.counted (users);
create view analyst.raw as select user_id from staging.stg_users;
create view analyst.tags as select tag from candidates.tag_analysis_mart;
reset role;
"""
EVERYTHING = """
select pg_describe_object(classid, objid, 0), owner::regrole, acl::text, definition
from (
    select
        'pg_class'::regclass as classid, oid as objid, relowner as owner, relacl as acl,
        concat_ws('; ', reloptions::text, obj_description(oid), col_description(oid, 2), case
            when relkind in ('v', 'm') then pg_get_viewdef(oid)
            when relkind = 'i' then pg_get_indexdef(oid)
        end) as definition
    from pg_class where relnamespace = 'analyst'::regnamespace
    union all
    select 'pg_proc'::regclass, oid, proowner, proacl, pg_get_functiondef(oid)
    from pg_proc where pronamespace = 'analyst'::regnamespace
    union all
    select 'pg_constraint'::regclass, oid, 10, null, pg_get_constraintdef(oid)
    from pg_constraint where connamespace = 'analyst'::regnamespace and contype = 'f'
    union all
    select 'pg_attrdef'::regclass, pg_attrdef.oid, 10, null, pg_get_expr(adbin, adrelid)
    from pg_attrdef inner join pg_class on adrelid = pg_class.oid where relnamespace = 'analyst'::regnamespace
    union all
    select 'pg_policy'::regclass, oid, 10, null, concat(polroles::regrole[], polcmd, pg_get_expr(polqual, polrelid))
    from pg_policy
    union all
    select 'pg_trigger'::regclass, oid, 10, null, pg_get_triggerdef(oid)
    from pg_trigger where not tgisinternal
    union all
    select 'pg_statistic_ext'::regclass, oid, 10, null, pg_get_statisticsobjdef(oid)
    from pg_statistic_ext
    union all
    select 'pg_rewrite'::regclass, pg_rewrite.oid, 10, null, pg_get_ruledef(pg_rewrite.oid)
    from pg_rewrite inner join pg_class on ev_class = pg_class.oid
    where relnamespace = 'analyst'::regnamespace and rulename <> '_RETURN'
) as objects
order by 1
"""
ON_CORE = """
select relname, attname, relacl::text, attacl::text, relrowsecurity
from pg_class inner join pg_attribute on attrelid = pg_class.oid
where relnamespace = 'core'::regnamespace and relkind = 'r' and attnum > 0 order by 1, 2
"""


def execute(sql: str) -> list[tuple]:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


Prepare = Callable[..., None]


@pytest.fixture(scope="module")
def models(dbt: Dbt) -> list[Model]:
    dbt("--full-refresh")
    return dbt.models()


@pytest.fixture
def prepare(models: list[Model]) -> Iterator[Prepare]:
    """What DbtRun does before dbt runs."""
    execute(OF_OTHERS)

    def prepare_models(models: list[Model] = models, full_refresh: bool = True) -> None:
        with warehouse.transaction() as cursor:
            replacement.prepare(cursor, models, full_refresh)

    yield prepare_models
    execute("drop schema analyst cascade; truncate etl.set_aside; drop policy if exists of_reader on core.dim_posts")
    execute("drop owned by analyst, reader; drop role analyst, reader")


def test_full_refresh__leaves_everything_that_others_made(dbt, prepare):
    before, on_core = execute(EVERYTHING), execute(ON_CORE)
    prepare()
    dbt("--full-refresh")
    replacement.finish()
    assert execute(EVERYTHING) == before
    assert execute(ON_CORE) == on_core
    assert execute("table etl.set_aside") == []
    assert execute("table analyst.counted") == [(0, 0)]


def test_incremental_run__leaves_views_on_tables_that_dbt_builds_as_a_whole(dbt, prepare):
    before = execute(EVERYTHING)
    prepare(full_refresh=False)
    dbt("--exclude", "config.materialized:view")
    replacement.finish()
    assert execute(EVERYTHING) == before


def test_next_run__makes_again_what_a_killed_run_left(dbt, prepare):
    before, on_core = execute(EVERYTHING), execute(ON_CORE)
    prepare()
    dbt("--full-refresh", "--select", "dim_users")  # and no more: the run was killed
    execute("create view core.dim_posts__dbt_backup as select 1 as n")
    execute("comment on view core.dim_posts__dbt_backup is 'Written by the stage DbtRun.'")
    prepare()
    dbt("--full-refresh")
    replacement.finish()
    assert (execute(EVERYTHING), execute(ON_CORE)) == (before, on_core)


def test_prepare__refuses_where_a_view_reads_a_column_that_goes(prepare, models):
    before = execute(EVERYTHING)
    changed = [replace(m, columns={n: t for n, t in m.columns.items() if n != "username"}) for m in models]
    with pytest.raises(PipelineError, match=r"^this run would lose objects of others") as raised:
        prepare(changed)
    assert re.search(r"view analyst\.users \(column \S*username\S* does not exist\)", str(raised.value))
    assert "analyst.raw" not in str(raised.value)
    assert execute(EVERYTHING) == before
    assert execute("table etl.set_aside") == []


def test_prepare__sets_a_view_aside_where_told_to(prepare, models, monkeypatch):
    monkeypatch.setattr(config.read_section(config.warehouse), "dependent_views", config.SET_ASIDE)
    prepare()
    execute("alter table core.dim_users rename column username to login")
    replacement.finish()
    names = execute("select kind || ' ' || name from etl.set_aside where kind <> 'rights' order by 1")
    assert [name for (name,) in names] == [
        "materialized view analyst.counted",
        "routine analyst.count_users()",
        "view analyst.users",
    ]
    execute("alter table core.dim_users rename column login to username")
    replacement.finish()
    assert execute("table etl.set_aside") == []


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("create table core.dim_users__dbt_tmp (mine int)", "table core.dim_users__dbt_tmp"),
        ("create schema marts; create table marts.tag_analysis_mart (mine int)", "table marts.tag_analysis_mart"),
        ("create sequence staging.stg_users__dbt_backup", "sequence staging.stg_users__dbt_backup"),
        ("alter table core.dim_tags rename to t; create view core.dim_tags as select 1 as n", "view core.dim_tags"),
    ],
)
def test_prepare__names_what_is_in_the_way(prepare, made, name):
    execute(made)
    message = f"^the pipeline needs names that objects of others have: {re.escape(name)}; nothing was changed; "
    with pytest.raises(PipelineError, match=message):
        prepare()
    if "dim_tags" in name:
        execute("drop view core.dim_tags; alter table core.t rename to dim_tags")
    else:
        execute(f"drop {name}")


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("create table analyst.child () inherits (core.dim_tags)", "table analyst.child"),
        ("create table analyst.typed (tag core.dim_tags)", "column tag of table analyst.typed"),
        (
            "create function analyst.f() returns bigint language sql begin atomic select count(*) from core.dim_tags; "
            "end; create table analyst.counts (n bigint default analyst.f())",
            "default value for column n of table analyst.counts",
        ),
    ],
)
def test_prepare__refuses_where_something_depends_that_cannot_be_made_again(prepare, made, name):
    execute(made)
    with pytest.raises(PipelineError, match=r"^this run replaces relations on which others depend") as raised:
        prepare()
    assert name.split(" of ")[-1] in str(raised.value)


def test_foreign_key__that_does_not_hold_any_more_stays_set_aside(prepare):
    prepare()
    execute("insert into analyst.notes values (gen_random_uuid(), 'of nobody')")
    replacement.finish()
    [(name, reason)] = execute("select name, reason from etl.set_aside")
    assert name == "notes_user_sk_fkey on analyst.notes"
    assert reason.startswith('insert or update on table "notes" violates foreign key constraint')
    execute("truncate analyst.notes")
    replacement.finish()
    assert execute("table etl.set_aside") == []
