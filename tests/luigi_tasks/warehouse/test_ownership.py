"""Our relations are known by their comments or their oids, also in a warehouse restored from a dump."""

import subprocess

import pytest

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import migrations, ownership
from luigi_tasks.warehouse.embedded import programs


@pytest.fixture
def core(own_warehouse) -> None:
    migrations.apply()
    execute("create schema core; create table core.one (n int); create table core.two (n int)")
    execute("comment on table core.one is 'Users. Written by the stage DbtRun.'")


def execute(sql: str) -> list[tuple]:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def list_ours() -> list[str]:
    with warehouse.transaction() as cursor:
        ownership.remember_ours(cursor)
        return ownership.list_ours(cursor, "core")


def test_list_ours__knows_a_mark_within_a_comment_and_an_oid_without_one(core):
    assert list_ours() == ["one"]
    execute("comment on table core.one is null; alter table core.one rename to three")
    assert list_ours() == ["three"]


def test_remember_ours__forgets_what_is_gone(core):
    list_ours()
    before = execute("select count(*) from etl.own_relations")[0][0]
    execute("drop table core.one")
    assert list_ours() == []
    assert execute("select count(*) from etl.own_relations") == [(before - 1,)]


def test_require_free_names__lets_a_restored_warehouse_pass(core):
    list_ours()
    server = warehouse.start_embedded()
    folder = programs.find_wheel_programs()
    variables = {"PATH": str(folder), **server.parameters}
    dumped = subprocess.run([folder / "pg_dump"], env=variables, capture_output=True, check=True).stdout
    execute("drop schema core, raw_data, etl cascade")
    subprocess.run([folder / "psql", "-q", "-v", "ON_ERROR_STOP=1"], env=variables, input=dumped, check=True)
    assert list_ours() == ["one"]
    with warehouse.transaction() as cursor:
        ownership.require_free_names(cursor, [("core", "one"), ("raw_data", "users"), ("etl", "runs"), ("core", "new")])
    with pytest.raises(PipelineError, match=r"have: table core\.two;"), warehouse.transaction() as cursor:
        ownership.require_free_names(cursor, [("core", "two")])
