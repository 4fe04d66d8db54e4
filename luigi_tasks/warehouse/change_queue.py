"""Change queue: Load enqueues changed batches and keys; DbtRun and Publish consume them.

etl.changed_batches lists the batches loaded since core last took in changes, etl.replaced_keys the records that those
batches held before. DbtRun takes what is queued (`in_work`) and removes it once core and the candidates are built.
staging.touched_keys, which dbt fills, lists the rows that Publish has to copy.
"""

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.warehouse import layers, ownership, relation_states
from spark_jobs.schemas import TABLES

KEYS = {"users": "user_id", "posts": "post_id", "comments": "comment_key"}
"""The tables of raw_data that core is built from, and the column that identifies a record across batches: in users and
posts together with its platform."""
VERSION_COLUMNS = {
    "users": """user_id, batch collate "C", coalesce(platform, '')""",
    "posts": """post_id, batch collate "C", coalesce(platform, '')""",
    "comments": 'comment_key, batch collate "C"',
}
"""By table, what no two rows have in common."""
PLANNED_COLUMNS = {
    "users": "user_id, batch, platform",
    "posts": "post_id, batch, platform, post_index",
    "comments": "comment_key, batch, platform, post_index",
}
"""By table, the columns whose statistics dbt's queries are planned by."""
INDEXES = [
    *((table, f"{table}_versions") for table in KEYS),
    *((table, f"{table}_by_batch") for table in TABLES),
]
"""Table of raw_data and name of each index that is created after the first load."""
QUEUES = ("changed_batches", "replaced_keys")
STATISTICS_TARGET = 10
"""Per column; PostgreSQL samples 300 times as many rows. 3,000 are enough to plan by, and quick to read."""


def delete_batch(cursor: Cursor, table: str, batch: str) -> None:
    """Delete a batch's rows of a table of raw_data, and enqueue the batch and the keys it had."""
    if table not in KEYS:
        cursor.execute(f'delete from raw_data.{table} where batch collate "C" = %s', (batch,))
        return
    cursor.execute(
        f'with gone as (delete from raw_data.{table} where batch collate "C" = %s returning {KEYS[table]}::text as id, '
        "platform) insert into etl.replaced_keys (table_name, id, platform) select %s, id, platform from gone",
        (batch, table),
    )
    cursor.execute(
        "insert into etl.changed_batches (table_name, batch) values (%s, %s) "
        "on conflict (table_name, batch) do update set in_work = false where changed_batches.in_work",
        (table, batch),
    )


def take_changes(cursor: Cursor) -> None:
    """Take everything that is queued for dbt to build. What a failed run took is still there, and is built, too.

    Nothing else is loaded until the transaction ends.
    """
    cursor.execute("lock table etl.changed_batches in share row exclusive mode")
    for queue in QUEUES:
        cursor.execute(f"update etl.{queue} set in_work = true where not in_work; analyze etl.{queue}")
        relation_states.count_changes(cursor, f"etl.{queue}")
    cursor.execute(f"set local default_statistics_target = {STATISTICS_TARGET}")
    for table, columns in PLANNED_COLUMNS.items():
        cursor.execute(f"analyze raw_data.{table} ({columns})")


def remove_taken(cursor: Cursor) -> None:
    """Remove what was taken: core and the candidates hold it now. What was loaded since then stays queued."""
    for queue in QUEUES:
        cursor.execute(f"delete from etl.{queue} where in_work")
        relation_states.count_changes(cursor, f"etl.{queue}")


def clear_touched_keys(cursor: Cursor) -> None:
    """Forget which rows of the candidates dbt built: all of them are tested and published."""
    with layers.acting_as(cursor, layers.TRANSFORMER):
        cursor.execute("truncate staging.touched_keys")
    relation_states.remember(cursor, ["staging.touched_keys"])


def is_everything_touched(cursor: Cursor) -> bool:
    """Whether models were rebuilt as a whole since the marts were last published."""
    cursor.execute("select exists (select 1 from staging.touched_keys where kind = 'everything')")
    return cursor.fetchone() == (True,)


def create_key_index(cursor: Cursor, table: str) -> None:
    """Create the index that finds all versions of a record, and allows one of each per batch, where it is missing.

    It is not created with the table: building it after the first load is faster than filling it during that load.
    Loads of several batches may end at once; the lock lets one of them create it.
    """
    name = f"{table}_versions"
    if table not in KEYS or _has_index(cursor, table, name):
        return
    cursor.execute(f"lock table raw_data.{table} in share row exclusive mode")
    if not _has_index(cursor, table, name):
        cursor.execute(f"create unique index {name} on raw_data.{table} ({VERSION_COLUMNS[table]})")


def create_batch_index(cursor: Cursor, table: str) -> None:
    """Create the index that finds a batch's rows, where it is missing; after the first load, for the same reason."""
    name = f"{table}_by_batch"
    if not _has_index(cursor, table, name):
        cursor.execute(f'create index {name} on raw_data.{table} (batch collate "C")')


def _has_index(cursor: Cursor, table: str, name: str) -> bool:
    """Whether a table has an index. Raises PipelineError where something else has its name."""
    found = ("raw_data", name) in list_indexes(cursor)
    if not found:
        ownership.require_free_names(cursor, [("raw_data", name)])
    return found


def list_indexes(cursor: Cursor) -> set[ownership.Name]:
    """Schema and name of those of INDEXES that are there, each on its table."""
    cursor.execute(
        "select pg_class.relname from pg_index inner join pg_class on pg_class.oid = indexrelid "
        "inner join unnest(%s, %s) as ours (table_name, index_name) "
        "on pg_class.relname = index_name and indrelid = to_regclass('raw_data.' || table_name) "
        "where pg_class.relnamespace = to_regnamespace('raw_data') and indisvalid",
        tuple(map(list, zip(*INDEXES, strict=True))),
    )
    return {("raw_data", name) for (name,) in cursor.fetchall()}
