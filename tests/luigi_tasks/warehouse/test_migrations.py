"""Migrations of raw_data and etl, in a real PostgreSQL."""

import re

import pytest

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import audit_chain, migrations
from luigi_tasks.warehouse.migrations import list_migrations
from luigi_tasks.warehouse.schema_names import SCHEMAS
from spark_jobs.schemas import TABLES

LAST = len(list_migrations())


def rows(sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """The rows of a query (none of a statement without any), committed."""
    with warehouse.transaction() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def versions() -> list[tuple[object, ...]]:
    return rows("select version, name from etl.schema_versions order by version")


def apply_first(count: int) -> None:
    """Leave the warehouse with the first migrations alone, unlisted, as code without etl.schema_versions did."""
    with warehouse.transaction() as cursor:
        for migration in list_migrations()[:count]:
            cursor.execute(migration.sql)


def test_apply__leaves_the_columns_that_the_checkpoints_have(own_warehouse):
    migrations.apply()
    found: dict[str, dict[str, str]] = {}
    for table, name, type_, is_not_null in rows(
        "select relname, attname, atttypid::regtype::text, attnotnull "
        "from pg_attribute join pg_class on pg_class.oid = attrelid "
        "where relnamespace = 'raw_data'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped"
    ):
        found.setdefault(table, {})[name] = type_.removesuffix(" without time zone") + " not null" * is_not_null
    assert found == TABLES


def test_apply__notes_each_migration_once(own_warehouse):
    migrations.apply()
    noted = versions()
    assert noted == [(migration.version, migration.name) for migration in list_migrations()]
    before = rows("select applied_at from etl.schema_versions")
    migrations.apply()
    assert rows("select applied_at from etl.schema_versions") == before


def test_apply__applies_only_what_is_missing(own_warehouse):
    migrations.apply()
    rows("delete from etl.schema_versions where version = %s", LAST)
    before = rows("table etl.schema_versions")
    migrations.apply()
    assert rows("select * from etl.schema_versions where version < %s", LAST) == before
    assert len(versions()) == LAST


def test_apply__asks_one_query_where_there_is_nothing_to_do(own_warehouse, monkeypatch):
    migrations.apply()
    monkeypatch.setattr(warehouse, "transaction", lambda: pytest.fail("a transaction was begun"))
    migrations.apply()


def test_apply__upgrades_a_warehouse_of_before_there_were_versions(own_warehouse):
    apply_first(1)
    rows("comment on schema raw_data is 'layout 0123'; create table raw_data.of_others (n int)")
    rows("create view etl.view_of_others as select batch, update_id from etl.table_updates")
    rows("insert into raw_data.rejected values ('b', 'f', 1, null, null, 'user', '{rule}', 'raw')")
    before = rows("select * from raw_data.rejected")
    rows("create role reader; grant usage on schema raw_data to reader; grant select on raw_data.rejected to reader")
    migrations.apply()
    assert len(versions()) == LAST
    assert rows("select * from raw_data.rejected") == before
    assert rows("select obj_description('raw_data'::regnamespace, 'pg_namespace')") == [(None,)]
    assert rows("select to_regclass('raw_data.of_others') is null, to_regclass('etl.view_of_others') is null") == [
        (False, False)
    ]
    assert rows("select has_table_privilege('reader', 'raw_data.rejected', 'select')") == [(True,)]


def test_apply__turns_the_fingerprints_of_markers_into_jsonb(own_warehouse):
    apply_first(1)
    old = {
        ("raw_data.users", "a#b=c,d"): "raw_data.users/a#b=c,d#code=12,inputs=ab",
        ("etl.ledger", "c"): "etl.ledger/c#code=3",
        ("no fingerprints", ""): "nothing",
        ("no value", ""): "no value/#code=1,inputs",
        ("no name", ""): "no name/#=1",
        ("empty", ""): "empty/#",
    }
    for (table, batch), update_id in old.items():
        rows("insert into etl.table_updates values (%s, %s, %s)", update_id, table, batch)
    migrations.apply()
    new = {
        ("raw_data.users", "a#b=c,d"): {"code": "12", "inputs": "ab"},
        ("etl.ledger", "c"): {"code": "3"},
        **{(table, ""): {} for table in ("no fingerprints", "no value", "no name", "empty")},
    }
    assert {
        (*key,): (update_id, built)
        for *key, update_id, built in rows("select target_table, batch, update_id, built_from from etl.table_updates")
    } == {(table, batch): (f"{table}/{batch}", built) for (table, batch), built in new.items()}
    with pytest.raises(PipelineError, match="null value in column"):
        rows("insert into etl.table_updates (update_id, target_table, batch) values ('x', 'x', '')")


def test_apply__runs_all_migrations_again_where_raw_data_is_gone(own_warehouse):
    migrations.apply()
    rows("insert into etl.table_updates values ('x', 'a', '', default, jsonb_build_object('b', 'c'))")
    rows("drop schema raw_data cascade")
    migrations.apply()
    assert rows("select to_regclass('raw_data.users') is null") == [(False,)]
    assert rows("select update_id, built_from from etl.table_updates") == [("x", {"b": "c"})]


def test_apply__leaves_a_newer_warehouse_as_it_is(own_warehouse):
    migrations.apply()
    rows("insert into etl.schema_versions values (%s, 'of the future')", LAST + 3)
    expected = (
        f"the migrations of the warehouse: the warehouse has schema version {LAST + 3}, this program knows versions up "
        f"to {LAST}; nothing was changed; install the version of socialmart that upgraded the warehouse, or a later one"
    )
    with pytest.raises(PipelineError, match=f"^{re.escape(expected)}$"):
        migrations.apply()


def test_apply__changes_nothing_where_a_column_is_missing(own_warehouse):
    apply_first(1)
    rows("alter table raw_data.users drop column age, alter column email type varchar")
    expected = (
        "the migrations of the warehouse: the warehouse lacks raw_data.users.email text, raw_data.users.age integer; "
        "nothing was changed; give its tables these columns by alter table, then run again"
    )
    with pytest.raises(PipelineError, match=f"^{re.escape(expected)}$"):
        migrations.apply()
    assert rows("select to_regclass('etl.schema_versions')") == [(None,)]


def test_apply__takes_no_right_to_create_schemas_where_they_are_there(own_warehouse, monkeypatch):
    rows("create role maker login")
    rows("; ".join(f"create schema {name} authorization maker" for name in SCHEMAS))
    warehouse.close()
    monkeypatch.setenv("PGUSER", "maker")
    for name, value in warehouse.start_embedded().parameters.items():
        monkeypatch.setenv(name, "maker" if name == "PGUSER" else value)
    migrations.apply()
    assert len(versions()) == LAST


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("create table etl.runs (id int, stages text)", "table etl.runs"),
        ("create table raw_data.users as select 1 as user_id", "table raw_data.users"),
        ("create view etl.ledger as select 1 as n", "view etl.ledger"),
        ("create table etl.schema_versions (id int)", "table etl.schema_versions"),
        ("create sequence raw_data.posts", "sequence raw_data.posts"),
        ("create type etl.stages as enum ('one')", "type etl.stages"),
        (
            "create table raw_data.mine (n int); create index users_versions on raw_data.mine (n)",
            "index raw_data.users_versions",
        ),
        (
            "create schema published; create table published.tag_analysis_mart (n int)",
            "table published.tag_analysis_mart",
        ),
        ("create schema core; create view core.dim_users as select 1 as n", "view core.dim_users"),
    ],
)
def test_apply__names_what_is_in_the_way_and_changes_nothing(own_warehouse, made, name):
    rows("create schema etl; create schema raw_data")
    rows(made)
    everything = "select oid, relname, (select count(*) from pg_attribute where attrelid = pg_class.oid) from pg_class"
    before = rows(f"{everything} where oid >= 16384 order by oid")
    expected = (
        f"the migrations of the warehouse: the pipeline needs names that objects of others have: {name}; "
        "nothing was changed; rename or move these objects, then run again"
    )
    with pytest.raises(PipelineError, match=f"^{re.escape(expected)}$"):
        migrations.apply()
    assert rows(f"{everything} where oid >= 16384 order by oid") == before


def test_apply__names_a_table_of_others_that_stands_where_ours_was(own_warehouse):
    migrations.apply()
    rows("drop schema raw_data cascade; create schema raw_data; create table raw_data.users as select 1 as user_id")
    rows("delete from etl.schema_versions where version = %s", LAST)
    with pytest.raises(
        PipelineError, match=r"names that objects of others have: table raw_data\.users; nothing was changed"
    ):
        migrations.apply()


def test_apply__marks_every_table_and_keeps_a_comment(own_warehouse):
    apply_first(1)
    rows("comment on table etl.runs is 'Nightly runs.'")
    migrations.apply()
    unmarked = (
        "select relname from pg_class where relnamespace in ('etl'::regnamespace, 'raw_data'::regnamespace) "
        "and relkind = 'r' and obj_description(oid, 'pg_class') not like '%Written by the stage%'"
    )
    assert rows(unmarked) == []
    assert rows("select obj_description('etl.runs'::regclass)") == [("Nightly runs. Written by the stages of a run.",)]


def test_list_migrations__has_versions_that_count_up_from_one():
    assert [migration.version for migration in list_migrations()] == list(range(1, LAST + 1))


def list_entries() -> list[tuple[str, str]]:
    """Event and details of the entries of a sound audit chain."""
    with warehouse.transaction() as cursor:
        entries = list(audit_chain.read_entries(cursor))
    assert audit_chain.list_faults(entries, []) == []
    return [(entry.event, entry.details) for entry in entries]


def test_append__enters_nothing_where_there_is_no_audit_chain(own_warehouse):
    with warehouse.transaction() as cursor:
        assert audit_chain.append(cursor, "too early") is None
        assert audit_chain.read_head(cursor) is None


def test_apply__begins_the_audit_chain_and_enters_each_upgrade(own_warehouse):
    migrations.apply()
    migrations.apply()
    rows("delete from etl.schema_versions where version = %s", LAST)
    migrations.apply()
    first = (audit_chain.UPGRADED, f'{{"after": {LAST}, "before": 0}}')
    assert list_entries() == [first, (audit_chain.UPGRADED, f'{{"after": {LAST}, "before": {LAST - 1}}}')]
    rows("drop table etl.audit")
    migrations.apply()
    assert list_entries() == [first]
