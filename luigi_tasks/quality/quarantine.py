"""The quarantine: every rejected record, to be counted by batch and rule, or exported with its raw text.

The rejected records of loaded batches are in raw_data.rejected. Those of batches that Audit stopped are in their
Clean checkpoints.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import atomic_files, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets.checkpoint import CheckpointTarget, clean_checkpoint
from luigi_tasks.targets.manifests import CleanManifest
from luigi_tasks.warehouse.copy_rows import RowStream
from spark_jobs.schemas import TABLES

STANDARD_OUTPUT = "-"
ROWS_PER_FETCH = 100
"""Records per round trip, at most."""
BYTES_PER_FETCH = 8 << 20
"""Bytes of raw text per round trip, at most, or one record."""

EXPORTED_COLUMNS = ("batch", "file", "position", "post_index", "comment_index", "entity", "rules", "raw")
BATCH_AND_RULE = "(%(batch)s = '' or batch = %(batch)s) and (%(rule)s = '' or %(rule)s = any(rules))"
"""SQL condition on the view `quarantine`: the records of one batch and rule; an empty parameter is any."""


@dataclass(frozen=True)
class RejectedCount:
    """The number of records of an entity that broke a rule in a batch, and whether the batch is stopped."""

    batch: str
    rule: str
    entity: str
    stopped: bool
    records: int


@dataclass(frozen=True)
class RejectedCounts:
    """Counts by batch, rule and entity, and the number of records: one that broke two rules is in two of `lines`."""

    lines: list[RejectedCount]
    records: int


def count_rejected(batch: str = "", rule: str = "") -> RejectedCounts:
    """Count the rejected records of a batch and rule; an empty name is any.

    Raises PipelineError if nothing was ever loaded.
    """
    parameters = {"batch": batch, "rule": rule}
    with open_quarantine() as cursor:
        cursor.execute(
            "select batch, broken, entity, stopped, count(*) from quarantine cross join unnest(rules) as broken "
            f"where {BATCH_AND_RULE} and (%(rule)s = '' or broken = %(rule)s) group by 1, 2, 3, 4 order by 1, 2, 3",
            parameters,
        )
        lines = [RejectedCount(*row) for row in cursor.fetchall()]
        cursor.execute(f"select count(*) from quarantine where {BATCH_AND_RULE}", parameters)
        return RejectedCounts(lines, cursor.fetchone()[0])


def export_rejected(file: str, batch: str = "", rule: str = "") -> int:
    """Write the rejected records of a batch and rule as JSON Lines, EXPORTED_COLUMNS each; returns their number.

    `file` is `-` for standard output; any other file appears whole, and only its owner may read it. Raises
    PipelineError if it cannot be written.
    """
    with open_quarantine() as cursor:
        if file == STANDARD_OUTPUT:
            return _write_records(cursor, sys.stdout.buffer, batch, rule)
        path = Path(file)
        try:
            with atomic_files.open_replacement(path) as output:
                return _write_records(cursor, output, batch, rule)
        except OSError as error:
            raise PipelineError(f"--export {path}: cannot be written ({error.strerror}); name another file") from error


@contextmanager
def open_quarantine() -> Iterator[Cursor]:
    """Open a transaction with a view `quarantine`: raw_data.rejected's columns and `stopped`, for every record."""
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


def _write_records(cursor: Cursor, output: IO[bytes], batch: str, rule: str) -> int:
    written = 0
    parameters = {"batch": batch, "rule": rule}
    cursor.execute(f"select max(octet_length(raw)) from quarantine where {BATCH_AND_RULE}", parameters)
    longest = cursor.fetchone()[0] or 1
    with cursor.connection.cursor("export") as records:
        records.itersize = max(1, min(ROWS_PER_FETCH, BYTES_PER_FETCH // longest))
        records.execute(
            f"select {', '.join(EXPORTED_COLUMNS)} from quarantine where {BATCH_AND_RULE} "
            "order by batch, file, position, post_index nulls first, comment_index nulls first",
            parameters,
        )
        for record in records:
            line = json.dumps(dict(zip(EXPORTED_COLUMNS, record, strict=True)), ensure_ascii=False)
            output.write(f"{line}\n".encode())
            written += 1
    output.flush()
    return written
