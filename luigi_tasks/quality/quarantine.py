"""The quarantine: every rejected record, counted by batch and rule, or written out with its raw text.

Of a batch that Audit stopped nothing is loaded: its rejected records are those of its Clean checkpoint. Of all others
they are in raw_data.rejected.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import atomic_files, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets.checkpoint import CheckpointTarget, clean_checkpoint
from luigi_tasks.targets.manifests import CleanManifest
from luigi_tasks.warehouse.copy_rows import RowStream
from spark_jobs.schemas import TABLES

STANDARD_OUTPUT = "-"
ROWS_A_FETCH = 100
"""The raw text of one record may be megabytes."""

EXPORTED = ("batch", "file", "position", "post_index", "comment_index", "entity", "rules", "raw")
PICKED = "(%(batch)s = '' or batch = %(batch)s) and (%(rule)s = '' or %(rule)s = any(rules))"


@dataclass(frozen=True)
class Line:
    """How many records of an entity broke a rule in a batch, and whether that batch is stopped."""

    batch: str
    rule: str
    entity: str
    stopped: bool
    records: int


@dataclass(frozen=True)
class Quarantine:
    """The lines, and how many records they are about: one that broke two rules is in two lines."""

    lines: list[Line]
    records: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        """A table for people."""
        rows = [
            (line.batch, line.rule, line.entity, f"{line.records:,}", "stopped" if line.stopped else "")
            for line in self.lines
        ]
        headed = [("batch", "rule", "entity", "records", ""), *rows]
        batch, rule, entity, records, _ = (max(map(len, column)) for column in zip(*headed, strict=True))
        listed = [f"{b:{batch}}  {r:{rule}}  {e:{entity}}  {n:>{records}}  {s}".rstrip() for b, r, e, n, s in headed]
        total = f"{self.records:,} records are rejected"
        return "\n".join([*listed, total]) if rows else total


def count(batch: str = "", rule: str = "") -> Quarantine:
    """What is rejected, of one batch or of all, for one rule or for any."""
    picked = {"batch": batch, "rule": rule}
    with opened() as cursor:
        cursor.execute(
            "select batch, broken, entity, stopped, count(*) from quarantine cross join unnest(rules) as broken "
            f"where {PICKED} and (%(rule)s = '' or broken = %(rule)s) group by 1, 2, 3, 4 order by 1, 2, 3",
            picked,
        )
        lines = [Line(*row) for row in cursor.fetchall()]
        cursor.execute(f"select count(*) from quarantine where {PICKED}", picked)
        return Quarantine(lines, cursor.fetchone()[0])


def export(file: str, batch: str = "", rule: str = "") -> int:
    """Write the records as JSON Lines, one a line; returns how many.

    `-` is standard output. Any other file appears when it is whole, and only its owner may read it.
    """
    with opened() as cursor:
        if file == STANDARD_OUTPUT:
            return _write(cursor, sys.stdout.buffer, batch, rule)
        path = Path(file)
        try:
            with atomic_files.replaced(path) as output:
                return _write(cursor, output, batch, rule)
        except OSError as error:
            raise PipelineError(f"--export {path}: cannot be written ({error.strerror}); name another file") from error


@contextmanager
def opened() -> Iterator[Cursor]:
    """A transaction in which the view `quarantine` holds every rejected record, and whether its batch is stopped."""
    with warehouse.transaction() as cursor:
        cursor.execute("select to_regclass('raw_data.rejected') is not null and to_regclass('etl.ledger') is not null")
        if cursor.fetchone() != (True,):
            raise PipelineError("warehouse: there is no table raw_data.rejected yet; run the pipeline first")
        cursor.execute("create temp table stopped (like raw_data.rejected) on commit drop")
        cursor.execute("select distinct batch from etl.ledger where verdict = 'stopped'")
        for (batch,) in cursor.fetchall():
            _copy_stopped(cursor, clean_checkpoint(batch))
        cursor.execute(
            "create temp view quarantine as select *, true as stopped from stopped union all "
            "select *, false from raw_data.rejected where batch not in (select batch from stopped)"
        )
        yield cursor


def _copy_stopped(cursor: Cursor, clean: CheckpointTarget[CleanManifest]) -> None:
    if clean.exists():
        clean.require_intact("rejected/")
        columns = list(TABLES["rejected"])
        stream = RowStream(clean.folder / "rejected", columns)
        cursor.copy_expert(f"copy stopped ({', '.join(columns)}) from stdin (format csv)", stream)


def _write(cursor: Cursor, output: IO[bytes], batch: str, rule: str) -> int:
    written = 0
    with cursor.connection.cursor("export") as records:
        records.itersize = ROWS_A_FETCH
        records.execute(
            f"select {', '.join(EXPORTED)} from quarantine where {PICKED} "
            "order by batch, file, position, post_index nulls first, comment_index nulls first",
            {"batch": batch, "rule": rule},
        )
        for record in records:
            line = json.dumps(dict(zip(EXPORTED, record, strict=True)), ensure_ascii=False)
            output.write(f"{line}\n".encode())
            written += 1
    output.flush()
    return written
