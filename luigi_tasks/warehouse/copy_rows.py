"""COPY: a table of a Clean checkpoint as a stream of CSV, and the claim on an empty table of raw_data."""

import io
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, warehouse
from spark_jobs.parquet_blocks import read_blocks
from spark_jobs.storage import Location, open_parquet

ROWS_A_BLOCK = 20_000
"""Rows that are in memory at once, at most: a few MB of usual ones; of large ones fewer (see parquet_blocks)."""
CLAIMS = "etl.load_claims"
"""A row for each table of raw_data, which the load that has claimed the empty table locks. Others cannot lock it."""


def claim_empty_table(cursor: Cursor, table: str) -> bool:
    """Whether a table of raw_data is empty. If so it is truncated and locked in this transaction; other loads wait.

    Its rows can then be written frozen: the first to read them does not have to rewrite their pages, and a server with
    wal_level = minimal logs none of them. Emptiness is first checked outside the transaction, as two transactions that
    had both locked the table for reading would deadlock. Another load that has claimed the table is waited for as long
    as a statement may take, the lock of another program no longer than lock_timeout.
    """
    with warehouse.reading() as outside:
        free = f"set local synchronous_commit = off; {_wait_for_claim('for share', table)}"  # it changes nothing
        if not _is_empty(outside, table, after=free):
            return False
    cursor.execute(_wait_for_claim("for update", table) + f"lock table raw_data.{table}")
    if not _is_empty(cursor, table):
        return False
    cursor.execute(f"truncate raw_data.{table}")
    return True


def _wait_for_claim(lock: str, table: str) -> str:
    """SQL that locks the table's row of CLAIMS, however long another load holds it; others may lock all of CLAIMS."""
    limit = config.read_section(config.warehouse).lock_timeout
    return (
        f"lock table {CLAIMS} in row share mode; set local lock_timeout = 0; "
        f"select from {CLAIMS} where table_name = '{table}' {lock}; "
        f"set local lock_timeout = '{limit}s'; "
    )


def _is_empty(cursor: Cursor, table: str, after: str = "") -> bool:
    cursor.execute(f"{after}select not exists (select 1 from raw_data.{table})")
    return cursor.fetchone() == (True,)


class RowStream(io.RawIOBase):
    """The rows of Parquet files as CSV, for COPY to read; `report` gets the number of rows sent so far."""

    def __init__(
        self, files: Iterable[Location], columns: list[str], report: Callable[[int], None] = lambda rows: None
    ) -> None:
        self._blocks = _encode_blocks(files, columns, report)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any writable buffer will do
        if not self._rest:
            self._rest = memoryview(b"")  # the block that was sent goes before the next is made
            self._rest = memoryview(next(self._blocks, b"")).cast("B")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _encode_blocks(files: Iterable[Location], columns: list[str], report: Callable[[int], None]) -> Iterator[pa.Buffer]:
    """The CSV of a block of rows after the other."""
    rows = 0
    options = pv.WriteOptions(include_header=False)
    for path in files:
        with open_parquet(path) as file:
            present = set(file.schema_arrow.names)
        for block in read_blocks(path, ROWS_A_BLOCK, [column for column in columns if column in present]):
            sink = pa.BufferOutputStream()
            pv.write_csv(_add_columns(_flatten_lists(block), columns), sink, options)
            yield sink.getvalue()
            rows += len(block)
            report(rows)


def _add_columns(block: pa.RecordBatch, columns: list[str]) -> pa.RecordBatch:
    """The block with all columns; one that a checkpoint of an older version does not have is null."""
    missing = pa.nulls(len(block), pa.string())
    present = set(block.schema.names)
    return pa.RecordBatch.from_arrays([block[name] if name in present else missing for name in columns], columns)


def _flatten_lists(block: pa.RecordBatch) -> pa.RecordBatch:
    """The block with lists as the texts of arrays. CSV quotes every text, so an empty one differs from null."""
    for number, field in enumerate(block.schema):
        if pa.types.is_list(field.type):
            block = block.set_column(number, field.name, format_array_literals(block.column(number)))
    return block


def format_array_literals(lists: pa.ListArray) -> pa.StringArray:
    """Lists of texts, without nulls, as literals of text[]: `{"a","b"}`."""
    texts = pc.replace_substring(pc.replace_substring(lists.flatten(), "\\", "\\\\"), '"', '\\"')
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    first = lists.offsets[0].as_py()
    offsets = pc.subtract(lists.offsets, pa.scalar(first, lists.offsets.type))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, quoted), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")
