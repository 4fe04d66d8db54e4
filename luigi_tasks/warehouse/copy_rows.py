"""Rows of a checkpoint's table as COPY reads them, and the claim on an empty table."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse

ROWS_A_BLOCK = 20_000
CLAIM_LOCK = 7_267_002
"""Advisory lock: with the table's oid, that of the load that has claimed it."""


def claim_empty(cursor: Cursor, table: str) -> bool:
    """Whether a table of raw_data is empty; if so, it is as if made in this transaction, and others wait for it.

    Rows can then be written frozen: whoever reads them first need not write their pages again, and a server with
    wal_level = minimal logs none of them. The first look is not the transaction's own: two that hold a lock for
    reading would each wait for the other's. Another load that has claimed the table is waited for however long it
    takes, a stranger's lock no longer than lock_timeout.
    """
    with warehouse.reading() as look:
        if not _is_empty(look, table, after=_claims_ended("pg_advisory_xact_lock_shared", table)):
            return False
    cursor.execute(_claims_ended("pg_advisory_xact_lock", table) + f"lock table raw_data.{table}")
    if not _is_empty(cursor, table):
        return False
    cursor.execute(f"truncate raw_data.{table}")
    return True


def _claims_ended(lock: str, table: str) -> str:
    return (
        f"set local lock_timeout = 0; select {lock}({CLAIM_LOCK}, 'raw_data.{table}'::regclass::int); "
        "set local lock_timeout to default; "
    )


def _is_empty(cursor: Cursor, table: str, after: str = "") -> bool:
    cursor.execute(f"{after}select not exists (select 1 from raw_data.{table})")
    return cursor.fetchone() == (True,)


class RowStream(io.RawIOBase):
    """The rows of a folder's Parquet files as CSV, a block at a time: what COPY reads from. `tell` hears how many."""

    def __init__(self, folder: Path, columns: list[str], tell: Callable[[int], None] = lambda rows: None) -> None:
        self._blocks = _csv_blocks(folder, columns, tell)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any writable buffer will do
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _csv_blocks(folder: Path, columns: list[str], tell: Callable[[int], None]) -> Iterator[bytes]:
    rows = 0
    options = pv.WriteOptions(include_header=False)
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for block in file.iter_batches(ROWS_A_BLOCK, columns=columns):
                sink = pa.BufferOutputStream()
                pv.write_csv(_flat(block).select(columns), sink, options)
                yield sink.getvalue().to_pybytes()
                tell(rows := rows + len(block))


def _flat(block: pa.RecordBatch) -> pa.RecordBatch:
    """Lists as PostgreSQL writes arrays. CSV quotes every text, so an empty one differs from null."""
    for number, field in enumerate(block.schema):
        if pa.types.is_list(field.type):
            block = block.set_column(number, field.name, array_literals(block.column(number)))
    return block


def array_literals(lists: pa.ListArray) -> pa.StringArray:
    """Lists of texts (without nulls) as literals of text[]: `{"a","b"}`."""
    texts = pc.replace_substring(pc.replace_substring(lists.flatten(), "\\", "\\\\"), '"', '\\"')
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    first = lists.offsets[0].as_py()
    offsets = pc.subtract(lists.offsets, pa.scalar(first, lists.offsets.type))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, quoted), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")
