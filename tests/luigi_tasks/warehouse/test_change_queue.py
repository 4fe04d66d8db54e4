"""The indexes of raw_data beside what others made, in a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import change_queue, migrations


def test_create_key_index__creates_it_once(own_warehouse):
    migrations.apply()
    with warehouse.transaction() as cursor:
        for _ in range(2):
            change_queue.create_key_index(cursor, "users")
            change_queue.create_batch_index(cursor, "users")
        assert change_queue.list_indexes(cursor) == {("raw_data", "users_versions"), ("raw_data", "users_by_batch")}


def test_create_key_index__of_two_loads_that_end_at_once(own_warehouse):
    migrations.apply()
    with warehouse.transaction() as cursor, ThreadPoolExecutor() as pool:
        change_queue.create_key_index(cursor, "users")

        def create_it_too() -> None:
            with closing(warehouse.connect()) as other, other, other.cursor() as its_cursor:
                change_queue.create_key_index(its_cursor, "users")

        at_once = pool.submit(create_it_too)
        with pytest.raises(TimeoutError):
            at_once.result(timeout=0.5)
        cursor.connection.commit()
        at_once.result()


@pytest.mark.parametrize(
    "made",
    [
        "create table raw_data.mine (n int); create index users_versions on raw_data.mine (n)",
        "create index users_versions on raw_data.posts (post_id)",
        "create materialized view raw_data.users_versions as select 1 as n",
    ],
)
def test_create_key_index__names_what_has_its_name(own_warehouse, made):
    migrations.apply()
    with warehouse.transaction() as cursor:
        cursor.execute(made)
    taken = r"^the pipeline needs names that objects of others have: \S.* raw_data\.users_versions; nothing was changed"
    with pytest.raises(PipelineError, match=taken), warehouse.transaction() as cursor:
        change_queue.create_key_index(cursor, "users")
