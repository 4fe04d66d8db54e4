"""Markers, in a real PostgreSQL."""

import json

import pytest

from luigi_tasks import warehouse
from luigi_tasks.targets import marker
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations
from luigi_tasks.warehouse.migrations import list_migrations

BUILT = {"code": "12", "inputs": "ab"}


def execute(sql: str, *parameters: object) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute(sql, parameters or None)


def touch(marker: Marker, built_from: BuiltFrom = BUILT) -> None:
    with warehouse.transaction() as cursor:
        marker.touch(cursor, built_from)


def put(built_from: object) -> Marker:
    """The marker of raw_data.users and batch a, with any JSON in its row."""
    execute(
        "insert into etl.table_updates (update_id, target_table, batch, built_from) "
        "values ('raw_data.users/a', 'raw_data.users', 'a', %s)",
        json.dumps(built_from),
    )
    return Marker("raw_data.users", "a")


def test_marker__is_there_once_touched_for_what_it_was_touched_with(own_warehouse):
    one = Marker("raw_data.users", "a")
    assert one.find_stale_reason(BUILT) == "its marker is missing"
    migrations.apply()
    assert (one.find_stale_reason(BUILT), one.read_built_from(), one.exists()) == ("its marker is missing", None, False)
    touch(one)
    touch(one)
    assert (one.find_stale_reason(BUILT), one.read_built_from(), one.exists()) == (None, BUILT, True)
    assert one.find_stale_reason(BUILT | {"inputs": "cd"}) == "its inputs changed"
    assert Marker("raw_data.posts", "a").find_stale_reason(BUILT) == "its marker is missing"


def test_marker__looks_into_the_warehouse_as_a_target_of_luigi_does(own_warehouse):
    migrations.apply()
    with Marker("raw_data.users", "a").connect().cursor() as cursor:
        cursor.execute("select count(*) from etl.table_updates")
        assert cursor.fetchone() == (0,)
    touch(Marker("raw_data.users", "a"))
    with warehouse.reading() as cursor:
        cursor.execute("select update_id, target_table, batch, built_from from etl.table_updates")
        assert cursor.fetchall() == [("raw_data.users/a", "raw_data.users", "a", BUILT)]


@pytest.mark.parametrize("built_from", [None, [], ["ab"], "ab", 7, {"code": "12", "inputs": 7}, {"code": {}}])
def test_marker__that_is_damaged_is_stale(own_warehouse, built_from):
    migrations.apply()
    damaged = put(built_from)
    assert (damaged.find_stale_reason(BUILT), damaged.read_built_from()) == ("its marker is damaged", None)
    touch(damaged)
    assert damaged.exists()


def test_marker__of_nothing_is_stale(own_warehouse):
    migrations.apply()
    assert put({}).find_stale_reason(BUILT) == "its code and inputs changed"


@pytest.mark.parametrize(
    ("update_id", "reason"),
    [
        ("raw_data.users/a#code=12,inputs=ab", None),
        ("raw_data.users/a#code=12,inputs=cd", "its inputs changed"),
        ("raw_data.users/a#code=12,inputs", "its code and inputs changed"),
        ("raw_data.users/a#", "its code and inputs changed"),
        ("damaged", "its code and inputs changed"),
    ],
)
def test_marker__means_the_same_before_and_after_the_upgrade(own_warehouse, update_id, reason):
    execute(list_migrations()[0].sql)
    execute("insert into etl.table_updates values (%s, 'raw_data.users', 'a')", update_id)
    before = marker.list_loads("raw_data")
    one = Marker("raw_data.users", "a")
    assert one.find_stale_reason(BUILT) == reason
    migrations.apply()
    assert one.find_stale_reason(BUILT) == reason
    assert marker.list_loads("raw_data") == before


def test_list_loads__follows_what_was_loaded_in_the_order_of_names(own_warehouse):
    assert marker.list_loads("raw_data") == []
    migrations.apply()
    touch(Marker("raw_data.users", "b"), {"inputs": "1", "code": "2"})
    touch(Marker("raw_data.posts", "b"), {})
    touch(Marker("raw_data.users", "a"), {"code": "2", "inputs": "1"})
    touch(Marker("marts", ""), {})
    text = '{"code": "2", "inputs": "1"}'
    assert marker.list_loads("raw_data") == [
        ("raw_data.posts", "b", "{}"),
        ("raw_data.users", "a", text),
        ("raw_data.users", "b", text),
    ]


def test_share_lookup__reads_the_markers_of_its_batches_once(own_warehouse):
    migrations.apply()
    a, b = Marker("raw_data.users", "a"), Marker("raw_data.users", "b")
    touch(a)
    with marker.share_lookup(["a"]):
        assert a.exists()
        assert not b.exists()
        execute("delete from etl.table_updates")
        touch(b)
        assert a.exists()
        assert b.exists()
    assert not a.exists()
