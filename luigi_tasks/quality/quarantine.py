"""The quarantine: every rejected record, to be counted by batch and rule, or exported with its raw text.

The rejected records of loaded batches are in raw_data.rejected. Those of batches that Audit stopped are in their
Clean checkpoints.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import atomic_files, paths, texts, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing
from luigi_tasks.targets.checkpoint import CheckpointTarget, clean_checkpoint
from luigi_tasks.targets.manifests import CleanManifest
from luigi_tasks.warehouse.copy_rows import RowStream
from luigi_tasks.warehouse.schema_names import ETL
from spark_jobs.schemas import NOT_A_LIST, NOT_AN_OBJECT, NOT_JSON, TABLES

REJECTING_RULES = (NOT_JSON, NOT_AN_OBJECT, NOT_A_LIST, "missing_user_id", "missing_post_id", "parent_rejected")
"""The rules that reject a record. The last three are those of spark_jobs/cleaning/rules.py."""
STANDARD_OUTPUT = "-"
ROWS_PER_FETCH = 100
"""Records per round trip, at most."""
BYTES_PER_FETCH = 8 << 20
"""Bytes of raw text per round trip, at most, or one record."""

EXPORTED_COLUMNS = ("batch", "file", "position", "post_index", "comment_index", "entity", "rules", "raw")
BATCH_AND_RULE = "(%(batch)s = '' or batch = %(batch)s) and (%(rule)s = '' or %(rule)s = any(rules))"
"""SQL condition on Quarantine.records: the records of one batch and rule; an empty parameter is any."""
LOADED = "select *, false as stopped from raw_data.rejected"
"""The rejected records of loaded batches."""


@dataclass(frozen=True)
class Quarantine:
    """A transaction and the rejected records that it sees.

    `records` is SQL to select from: a subquery with raw_data.rejected's columns and `stopped`, in brackets.
    """

    cursor: Cursor
    records: str


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

    Raises PipelineError if nothing was ever loaded, or there is no such batch or rule.
    """
    parameters = {"batch": batch, "rule": rule}
    with open_quarantine() as quarantine:
        require_names(quarantine, batch, rule)
        cursor = quarantine.cursor
        cursor.execute(
            f"select batch, broken, entity, stopped, count(*) from {quarantine.records} as records "
            f"cross join unnest(rules) as broken where {BATCH_AND_RULE} and (%(rule)s = '' or broken = %(rule)s) "
            "group by 1, 2, 3, 4 order by 1, 2, 3",
            parameters,
        )
        lines = [RejectedCount(*row) for row in cursor.fetchall()]
        cursor.execute(f"select count(*) from {quarantine.records} as records where {BATCH_AND_RULE}", parameters)
        return RejectedCounts(lines, cursor.fetchone()[0])


def export_rejected(file: str, batch: str = "", rule: str = "") -> int:
    """Write the rejected records of a batch and rule as JSON Lines, EXPORTED_COLUMNS each; returns their number.

    `file` is `-` for standard output; a terminal, pipe or other character device is written to. Any other file appears
    whole, in place of what a link of that name leads to, and only its owner may read it. Raises PipelineError if it
    cannot be written, or there is no such batch or rule.
    """
    with open_quarantine() as quarantine:
        require_names(quarantine, batch, rule)
        if is_standard_output(file):
            return _write_records(quarantine, sys.stdout.buffer, batch, rule)
        path = Path(file)
        try:
            with _open_output(path) as output:
                return _write_records(quarantine, output, batch, rule)
        except OSError as error:
            raise PipelineError(f"--export {path}: cannot be written ({error.strerror}); name another file") from error


def is_standard_output(file: str) -> bool:
    """Return whether a name is that of what standard output writes to: `-`, or `/dev/stdout` in any redirection."""
    try:
        return file == STANDARD_OUTPUT or os.path.samestat(Path(file).stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError, AttributeError):  # it is not there, nothing has a name like that, or output is closed
        return False


def _open_output(path: Path) -> AbstractContextManager[IO[bytes]]:
    """What a path leads to, where that takes what is written to it; else a file that replaces it in the end."""
    is_stream = path.is_char_device() or path.is_fifo()
    return path.open("wb") if is_stream else atomic_files.open_replacement(path)


@contextmanager
def open_quarantine() -> Iterator[Quarantine]:
    """Open a transaction on every rejected record. Raises PipelineError if nothing was ever loaded."""
    with warehouse.transaction() as cursor:
        cursor.execute("select to_regclass('raw_data.rejected') is not null and to_regclass('etl.ledger') is not null")
        if cursor.fetchone() != (True,):
            raise PipelineError("warehouse: there is no table raw_data.rejected yet; run the pipeline first")
        cursor.execute("select distinct batch from etl.ledger where verdict = 'stopped'")
        stopped = [clean for (batch,) in cursor.fetchall() if (clean := clean_checkpoint(batch)).exists()]
        if not stopped:
            yield Quarantine(cursor, f"({LOADED})")
            return
        with open_work_table(cursor, "stopped", "(like raw_data.rejected)") as table:
            for clean in stopped:
                _copy_stopped(cursor, clean, table)
            loaded = f"{LOADED} where batch not in (select batch from {table})"
            yield Quarantine(cursor, f"(select *, true as stopped from {table} union all {loaded})")


def require_names(quarantine: Quarantine, batch: str = "", rule: str = "") -> None:
    """Raise PipelineError if there is no such batch or rule: that none of its records is rejected would be misread."""
    cursor = quarantine.cursor
    if rule and rule not in REJECTING_RULES:
        cursor.execute(f"select exists (select from {quarantine.records} as records where %s = any(rules))", (rule,))
        if cursor.fetchone() != (True,):  # nor one of an older version
            raise PipelineError(f"no rule {rule} rejects records; expected one of: {', '.join(REJECTING_RULES)}")
    if batch:
        cursor.execute(
            "select exists (select from etl.table_updates where batch = %(batch)s) "
            f"or exists (select from {quarantine.records} as records where batch = %(batch)s)",
            {"batch": batch},
        )
        if cursor.fetchone() != (True,) and not landing.find_entry(batch):
            raise PipelineError(
                f"batch {batch}: not loaded, and not in the landing folder {paths.landing()}; "
                "socialmart rejected without --batch names those with rejected records"
            )


@contextmanager
def open_work_table(cursor: Cursor, name: str, definition: str) -> Iterator[str]:
    """A table in etl that no other transaction sees, dropped at the end of the block. Gives its name.

    It is an ordinary one: a temporary table would need the privilege TEMPORARY, which many databases give to nobody.
    """
    table = f"{ETL}.{name}_{cursor.connection.info.backend_pid}"
    cursor.execute(f"create unlogged table {table} {definition}")
    yield table
    cursor.execute(f"drop table {table}")


def _copy_stopped(cursor: Cursor, clean: CheckpointTarget[CleanManifest], table: str) -> None:
    clean.require_intact("rejected/")
    columns = list(TABLES["rejected"])
    stream = RowStream(clean.list_files("rejected"), columns)
    cursor.copy_expert(f"copy {table} ({', '.join(columns)}) from stdin (format csv)", stream)


def _write_records(quarantine: Quarantine, output: IO[bytes], batch: str, rule: str) -> int:
    written = 0
    parameters = {"batch": batch, "rule": rule}
    cursor = quarantine.cursor
    cursor.execute(
        f"select max(octet_length(raw)) from {quarantine.records} as records where {BATCH_AND_RULE}", parameters
    )
    longest = cursor.fetchone()[0] or 1
    with cursor.connection.cursor("export") as records:
        records.itersize = max(1, min(ROWS_PER_FETCH, BYTES_PER_FETCH // longest))
        records.execute(
            f"select {', '.join(EXPORTED_COLUMNS)} from {quarantine.records} as records where {BATCH_AND_RULE} "
            "order by batch, file, position, post_index nulls first, comment_index nulls first",
            parameters,
        )
        for record in records:
            line = texts.format_json(dict(zip(EXPORTED_COLUMNS, record, strict=True)))
            output.write(f"{line}\n".encode())
            written += 1
    output.flush()
    return written
