"""Load: a table of a batch's Clean checkpoint to raw_data, by COPY."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import luigi
import pyarrow as pa

from luigi_tasks import fingerprints, paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import BatchStage, counted
from luigi_tasks.stages.progress import Work, timed
from luigi_tasks.targets.checkpoint import BuiltFrom, CheckpointTarget
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue, migrations
from luigi_tasks.warehouse.copy_rows import RowStream, claim_empty
from spark_jobs.schemas import TABLES


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
            "code": fingerprints.of_modules(*paths.LOADER_CODE),
        }

    def target_stale(self) -> str | None:
        return self.output().why_stale()

    def run(self) -> None:
        tasks = self.pending()
        if not tasks:
            return
        pa.set_memory_pool(pa.system_memory_pool())  # which keeps less of what is given back
        with timed(self, counted(len(tasks))) as work:
            migrations.apply()
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
            change_queue.clear_batch(cursor, self.table, self.batch)
            copy = f"copy raw_data.{self.table} ({', '.join(columns)}) from stdin ({options})"
            cursor.copy_expert(copy, RowStream(folder, columns, tell))
            if cursor.rowcount != expected:
                raise PipelineError(
                    f"{expected:,} rows expected, {cursor.rowcount:,} copied; nothing was changed; "
                    "delete the Clean checkpoint and run again"
                )
            if is_first:  # while nobody else holds a lock
                change_queue.index_batches(cursor, self.table)
            self.output().touch(cursor)

    def _index(self) -> None:
        with warehouse.transaction() as cursor:
            change_queue.index_raw_data(cursor, self.table)

    @property
    def kind(self) -> str:
        return f"Load {self.table}"


def _tell(work: Work, before: int, total: int, rows: int) -> None:
    work.tell(before + rows, total, f"{before + rows:,} of {total:,} rows")
