"""Load: a table of a batch's Clean checkpoint to raw_data, by COPY."""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import luigi
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import dbt_changes, fingerprints, layout, paths, warehouse
from luigi_tasks.audit import Audit
from luigi_tasks.checkpoints import BuiltFrom, CheckpointTarget
from luigi_tasks.errors import PipelineError
from luigi_tasks.markers import Marker
from luigi_tasks.stage import BatchStage, counted
from luigi_tasks.work import Work, timed
from spark_jobs.schemas import TABLES

ROWS_A_BLOCK = 20_000
CLAIM_LOCK = 7_267_002
"""Advisory lock: with the table's oid, that of the load that has claimed it."""


class Load(BatchStage):
    """Leaves one table's rows of a batch in raw_data.TABLE, and their marker, both in one transaction.

    What the batch had there before is replaced.
    """

    table = luigi.ChoiceParameter(choices=tuple(TABLES), description="the table of raw_data")

    def requires(self) -> dict[str, BatchStage]:
        return {"audit": Audit(batch=self.batch)}

    def output(self) -> Marker:
        return Marker(f"raw_data.{self.table}", self.batch, self.built_from())

    def built_from(self) -> BuiltFrom:
        tables = CheckpointTarget("clean", self.batch).manifest().get("tables", {})
        return {
            "inputs": tables.get(self.table, {}).get("fingerprint", ""),
            "code": fingerprints.of_modules(*paths.LOADER_SOURCES),
        }

    def target_stale(self) -> str | None:
        return self.output().why_stale()

    def run(self) -> None:
        tasks = self.pending()
        if not tasks:
            return
        pa.set_memory_pool(pa.system_memory_pool())  # which keeps less of what is given back
        with timed(self, counted(len(tasks))) as work:
            layout.prepare()
            total = sum(task.expected() for task in tasks)
            work.rows = 0
            for task in tasks:
                work.rows += task.load(partial(_tell, work, work.rows, total))
            warehouse.retried(self.title, self._index)

    def expected(self) -> int:
        """The rows that Clean left of the table."""
        return CheckpointTarget("clean", self.batch).manifest()["tables"][self.table]["rows"]

    def load(self, tell: Callable[[int], None]) -> int:
        """Replace one batch's rows and its marker, in one transaction. Returns the rows loaded; `tell` hears how many
        are on their way."""
        clean = CheckpointTarget("clean", self.batch)
        clean.require_intact(f"{self.table}/")
        warehouse.retried(self.title, partial(self._replace, clean.folder / self.table, tell))
        return self.expected()

    def _replace(self, folder: Path, tell: Callable[[int], None]) -> None:
        columns, expected = list(TABLES[self.table]), self.expected()
        with warehouse.transaction() as cursor:
            is_first = claim_empty(cursor, self.table)
            options = "format csv, freeze" if is_first else "format csv"
            dbt_changes.clear_batch(cursor, self.table, self.batch)
            copy = f"copy raw_data.{self.table} ({', '.join(columns)}) from stdin ({options})"
            cursor.copy_expert(copy, RowStream(folder, columns, tell))
            if cursor.rowcount != expected:
                raise PipelineError(
                    f"{expected:,} rows expected, {cursor.rowcount:,} copied; nothing was changed; "
                    "delete the Clean checkpoint and run again"
                )
            if is_first:  # while nobody else holds a lock
                dbt_changes.index_batches(cursor, self.table)
            self.output().touch(cursor)

    def _index(self) -> None:
        with warehouse.transaction() as cursor:
            dbt_changes.index_raw_data(cursor, self.table)

    @property
    def kind(self) -> str:
        return f"Load {self.table}"


def _tell(work: Work, before: int, total: int, rows: int) -> None:
    work.tell(before + rows, total, f"{before + rows:,} of {total:,} rows")


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
