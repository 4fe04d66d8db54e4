"""Audit: balances a batch's ledger, and stops the batch where it does not balance or too much was rejected."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from luigi_tasks import config, fingerprints, paths
from luigi_tasks.errors import BatchStopped
from luigi_tasks.quality import ledger
from luigi_tasks.stages.base import BatchStage, count_batches
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets import checkpoint
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.ledger_file import BatchLedger, LedgerLine, write_ledger
from luigi_tasks.targets.manifests import CleanManifest
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations, relation_states
from spark_jobs.schemas import TABLES

PASSED, STOPPED = "passed", "stopped"


class Audit(BatchStage):
    """Leaves the ledger: `audit/BATCH/ledger.json`, and rows in etl.ledger under a marker.

    A batch with a broken file, an unbalanced ledger or too many rejected records is stopped: its Audit fails, in
    every run for as long as it is so, and nothing of it is loaded.
    """

    @property
    def batchable(self) -> bool:
        """A batch that is going to be stopped runs alone: the others of its task would fail with it."""
        manifest = self.input().read_manifest()
        return manifest is not None and judge_batch(manifest)[1] is None

    def requires(self) -> Clean:
        return self.clone(Clean)

    def output(self) -> dict[str, Any]:
        return {
            "ledger": checkpoint.audit_checkpoint(self.batch),
            "rows": Marker("etl.ledger", self.batch),
        }

    def built_from(self) -> BuiltFrom:
        cleaned = self.input().read_manifest()
        return {
            "inputs": cleaned.content if cleaned else "",
            "code": fingerprints.of_modules(*paths.AUDIT_CODE),
            "settings": fingerprints.of_value(config.read_section(config.quality).max_rejected_share),
        }

    def check_target(self) -> str | None:
        targets = self.output()
        built_from = self.built_from()
        reason = targets["ledger"].find_stale_reason(built_from) or targets["rows"].find_stale_reason(built_from)
        return reason or targets["ledger"].require_manifest().fault

    def build(self, stale: Sequence["Audit"], progress: ProgressReporter) -> None:
        migrations.apply()
        stopped: list[str] = []
        with checkpoint.staging_folder("audit") as staging:
            for number, task in enumerate(stale):
                progress.update(number, len(stale), f"{number:,} of {count_batches(len(stale))}")
                if reason := task.write_ledger(staging):
                    stopped.append(reason)
        if stopped:
            raise BatchStopped("\n".join(stopped))

    def write_ledger(self, staging: Path) -> str | None:
        """Write the batch's ledger to its checkpoint and the warehouse. Returns why it is stopped, None if not."""
        cleaned = self.input().require_intact()
        lines, fault = judge_batch(cleaned)
        verdict = STOPPED if fault else PASSED
        issues = cleaned.tables.get("issues")
        drift = cleaned.counts.drift if cleaned.counts else []
        file = staging / paths.LEDGER
        write_ledger(file, BatchLedger(self.batch, verdict, fault, lines, drift, issues.rows if issues else 0))
        targets = self.output()
        built_from = self.built_from()
        targets["ledger"].publish(staging, {paths.LEDGER: file}, built_from, fault=fault)
        rows = [(self.batch, verdict, *astuple(line)) for line in lines]

        def replace_rows(cursor: Cursor) -> None:
            cursor.execute("delete from etl.ledger where batch = %s", (self.batch,))
            if rows:
                execute_values(cursor, "insert into etl.ledger values %s", rows)
            relation_states.count_changes(cursor, relation_states.LEDGER)

        self.write_and_mark(targets["rows"], built_from, replace_rows)
        return fault


def find_verdict(batch: str) -> str | None:
    """Why a batch whose Clean is up to date is stopped, None when it is admitted."""
    return judge_batch(checkpoint.clean_checkpoint(batch).require_manifest())[1]


def judge_batch(cleaned: CleanManifest) -> tuple[list[LedgerLine], str | None]:
    """The ledger of a batch, and why the batch is stopped, if it is."""
    batch = cleaned.batch
    if fault := cleaned.fault:
        if fault.byte_offset is None:
            return [], (
                f"batch {batch}, {fault.file}: {fault.reason}; nothing of the batch is loaded; "
                "correct that and run again"
            )
        remedy = "raise that, or replace the file," if "[landing]" in fault.reason else "replace the file"
        return [], (
            f"batch {batch}, file {fault.file}: at byte {fault.byte_offset:,}: {fault.reason}; "
            f"nothing of the batch is loaded; {remedy} and run again"
        )
    assert cleaned.counts is not None
    lines = ledger.build_ledger(cleaned.counts)
    reason = ledger.find_stop_reason(
        lines, _count_rows_on_disk(cleaned), config.read_section(config.quality).max_rejected_share
    )
    return lines, reason and f"batch {batch}: {reason}"


def _count_rows_on_disk(cleaned: CleanManifest) -> dict[str, int]:
    """The rows of each table by the footers of its files."""
    rows = dict.fromkeys(TABLES, 0)
    folder = checkpoint.clean_checkpoint(cleaned.batch).folder
    for file in cleaned.files:
        table = file.path.split("/")[0]
        if table in rows:
            rows[table] += pq.read_metadata(folder / file.path).num_rows
    return rows
