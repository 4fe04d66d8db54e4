"""Load: a table of a batch's Clean checkpoint to raw_data, by COPY."""

from collections.abc import Callable, Sequence
from functools import partial

import luigi
import pyarrow as pa
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import fingerprints, paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import BatchStage
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue, content_digests, migrations, relation_states
from luigi_tasks.warehouse.copy_rows import RowStream, claim_empty_table
from luigi_tasks.warehouse.schema_names import RAW_DATA
from spark_jobs.schemas import TABLES


class Load(BatchStage):
    """Leaves one table's rows of a batch in raw_data.TABLE, and their marker, both in one transaction.

    What the batch had there before is replaced.
    """

    table = luigi.ChoiceParameter(choices=tuple(TABLES), description="the table of raw_data")

    def requires(self) -> dict[str, BatchStage]:
        return {"clean": Clean(batch=self.batch), "audit": Audit(batch=self.batch)}

    def output(self) -> Marker:
        return Marker(f"raw_data.{self.table}", self.batch)

    def built_from(self) -> BuiltFrom:
        cleaned = self.input()["clean"].read_manifest()
        facts = cleaned.tables.get(self.table) if cleaned else None
        return {
            "inputs": facts.fingerprint if facts else "",
            "code": fingerprints.of_modules(*paths.LOADER_CODE),
        }

    def build(self, stale: Sequence["Load"], progress: ProgressReporter) -> None:
        pa.set_memory_pool(pa.system_memory_pool())  # which keeps less of what is given back
        migrations.apply()
        expected = {task: task.count_rows_to_load() for task in stale}
        loaded, total = 0, sum(expected.values())
        for task, rows in expected.items():
            task.load(progress, loaded, total)
            loaded += rows
        progress.rows = loaded
        warehouse.retry_transaction(self.title, self._index)

    def count_rows_to_load(self) -> int:
        """The rows that Clean left of the table."""
        return self.input()["clean"].require_manifest().tables[self.table].rows

    def load(self, progress: ProgressReporter, before: int, total: int) -> None:
        """Replace the batch's rows and its marker, in one transaction. `before` of `total` rows are loaded already."""
        self.input()["clean"].require_intact(f"{self.table}/")

        def update(rows: int) -> None:
            progress.update(before + rows, total, f"{before + rows:,} of {total:,} rows")

        self.write_and_mark(
            self.output(), self.built_from(), partial(self._replace_rows, update=update), describe_content=str
        )

    def _replace_rows(self, cursor: Cursor, update: Callable[[int], None]) -> str:
        """Replace the batch's rows. Returns their digest."""
        columns, expected = list(TABLES[self.table]), self.count_rows_to_load()
        files = self.input()["clean"].list_files(self.table)
        is_first = claim_empty_table(cursor, self.table)
        options = "format csv, freeze" if is_first else "format csv"
        change_queue.delete_batch(cursor, self.table, self.batch)
        copy = f"copy raw_data.{self.table} ({', '.join(columns)}) from stdin ({options})"
        cursor.copy_expert(copy, RowStream(files, columns, update))
        if cursor.rowcount != expected:
            raise PipelineError(
                f"{expected:,} rows expected, {cursor.rowcount:,} copied; nothing was changed; "
                "delete the Clean checkpoint and run again"
            )
        digest = content_digests.digest_batch(cursor, self.table, self.batch)
        if is_first:  # while nobody else holds a lock; an index before the digest would keep that from being parallel
            change_queue.create_batch_index(cursor, self.table)
            relation_states.remember(cursor, [f"{RAW_DATA}.{self.table}"])
        else:
            relation_states.count_changes(cursor, f"{RAW_DATA}.{self.table}")
        relation_states.count_changes(cursor, relation_states.CHANGED_BATCHES)
        return digest

    def _index(self) -> None:
        with warehouse.transaction() as cursor:
            change_queue.create_key_index(cursor, self.table)

    @property
    def kind(self) -> str:
        return f"Load {self.table}"
