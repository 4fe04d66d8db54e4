"""Content digests: what rows of the warehouse are, in few characters, computed by the server in one pass.

A digest is the number of rows and the sum of their hashes, so the order of rows does not matter and a repeated row
counts. Two digests are compared that one server made; after a move to a server that hashes in another way, rows differ
from their digest and are loaded again.
"""

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.texts import count
from spark_jobs.schemas import TABLES

NO_ROWS = "0:0"
"""The digest of no rows at all."""
DIGEST = "count(*) || ':' || coalesce(sum(hash_record_extended({row}, {seed})), 0)"
FIRST_NEW_COLUMN = "platform"
"""This column and those after it came later: rows in which all of them are null have the digest they had without."""


def digest_batch(cursor: Cursor, table: str, batch: str) -> str:
    """The digest of a batch's rows in a table of raw_data."""
    cursor.execute(f'select {_digest_of(table)} from raw_data.{table} as t where t.batch collate "C" = %s', (batch,))
    (digest,) = cursor.fetchone()
    return str(digest)


def digest_batches(cursor: Cursor, table: str) -> dict[str, str]:
    """The digests of the rows in a table of raw_data, by batch."""
    cursor.execute("set local jit = off")
    cursor.execute(f'select t.batch collate "C", {_digest_of(table)} from raw_data.{table} as t group by 1')
    return dict(cursor.fetchall())


def are_rows_equal(cursor: Cursor, relation: str, query: str) -> bool:
    """Whether a table holds exactly the rows of a query that has its columns."""
    cursor.execute(
        "select string_agg(format('t.%%I::%%s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum) "
        "from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (relation,),
    )
    (columns,) = cursor.fetchone()
    digest = DIGEST.format(row="x", seed="0")
    cursor.execute(
        f"select (select {digest} from (select {columns} from {relation} as t) as x) "
        f"= (select {digest} from (select {columns} from ({query}\n) as t) as x)"
    )
    return cursor.fetchone() == (True,)


def count_rows(digest: str) -> str:
    """The number of rows that a digest tells, as people write it."""
    return count(int(digest.partition(":")[0]), "row")


def _digest_of(table: str) -> str:
    columns = [f"t.{column}" for column in TABLES[table]]
    names = list(TABLES[table])
    first_new = names.index(FIRST_NEW_COLUMN) if FIRST_NEW_COLUMN in names else len(names)
    row, new = (f"row({', '.join(part)})" for part in (columns[:first_new], columns[first_new:]))
    seed = "0" if first_new == len(names) else f"case when {new} is null then 0 else hash_record_extended({new}, 0) end"
    return DIGEST.format(row=row, seed=seed)
