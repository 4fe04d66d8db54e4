"""What was loaded since core last took in what changed: noted by Load, used up by DbtRun and Publish."""

from psycopg2.extensions import cursor as Cursor

KEYS = {"users": "user_id", "posts": "post_id", "comments": "comment_key"}
"""The tables of raw_data that core is made from, and what identifies a record through all batches."""


def clear_batch(cursor: Cursor, table: str, batch: str) -> None:
    """Delete a batch's rows of a table of raw_data, and note what core has to take in: it, and the keys it had."""
    if table not in KEYS:
        cursor.execute(f'delete from raw_data.{table} where batch collate "C" = %s', (batch,))
        return
    cursor.execute(
        f'with gone as (delete from raw_data.{table} where batch collate "C" = %s returning {KEYS[table]}::text as id) '
        "insert into etl.replaced_keys (table_name, id) select %s, id from gone",
        (batch, table),
    )
    cursor.execute(
        "insert into etl.changed_batches (table_name, batch) values (%s, %s) "
        "on conflict (table_name, batch) do update set in_work = false",
        (table, batch),
    )


def take(cursor: Cursor) -> None:
    """Have dbt take in all that is noted by now. What a run that failed had taken is still there.

    Until the transaction ends nothing else is loaded.
    """
    cursor.execute("lock table etl.changed_batches in share row exclusive mode")
    for table in ("changed_batches", "replaced_keys"):
        cursor.execute(f"update etl.{table} set in_work = true where not in_work; analyze etl.{table}")
    for table, key in KEYS.items():
        cursor.execute(f"set local default_statistics_target = 10; analyze raw_data.{table} ({key}, batch)")


def forget(cursor: Cursor) -> None:
    """Everything that was taken is in core and the candidates now. What was loaded since then stays noted."""
    for table in ("changed_batches", "replaced_keys"):
        cursor.execute(f"delete from etl.{table} where in_work")


def forget_touched(cursor: Cursor) -> None:
    """All rows that were made anew are tested and published."""
    cursor.execute("truncate staging.touched_keys")


def everything_touched(cursor: Cursor) -> bool:
    """Whether models were made anew as a whole since the marts were published."""
    cursor.execute("select exists (select 1 from staging.touched_keys where kind = 'everything')")
    return cursor.fetchone() == (True,)


def index_raw_data(cursor: Cursor, table: str) -> None:
    """Have each record be in a batch once, and its other versions be found by key.

    Not made with the tables: an index is faster to build than to fill while the first batches are loaded.
    """
    if table in KEYS and not _is_there(cursor, f"raw_data.{table}_versions"):
        cursor.execute(f'create unique index {table}_versions on raw_data.{table} ({KEYS[table]}, batch collate "C")')


def index_batches(cursor: Cursor, table: str) -> None:
    """Have the rows of a batch be found: once the first is loaded, for the same reason."""
    if not _is_there(cursor, f"raw_data.{table}_by_batch"):
        cursor.execute(f'create index {table}_by_batch on raw_data.{table} (batch collate "C")')


def _is_there(cursor: Cursor, relation: str) -> bool:
    cursor.execute("select to_regclass(%s) is not null", (relation,))
    return cursor.fetchone() == (True,)
