"""Audit: balances a batch's ledger, and stops the batch where it does not balance or too much was rejected."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from psycopg2.extras import execute_values

from luigi_tasks import config, fingerprints, paths, warehouse
from luigi_tasks.errors import BatchStopped
from luigi_tasks.quality import ledger
from luigi_tasks.stages.base import BatchStage, counted
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.progress import timed
from luigi_tasks.targets import checkpoint
from luigi_tasks.targets.checkpoint import BuiltFrom, CheckpointTarget
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import migrations
from spark_jobs.schemas import TABLES

PASSED, STOPPED = "passed", "stopped"


class Audit(BatchStage):
    """Leaves the ledger: `audit/BATCH/ledger.json`, and rows in etl.ledger under a marker.

    A batch with a broken file, an unbalanced ledger or too many rejected records is stopped: its Audit fails, in
    every run for as long as it is so, and nothing of it is loaded.
    """

    @property
    def batchable(self) -> bool:
        """A batch that is going to be stopped runs alone: the others of its run would fail with it."""
        manifest = self.requires().output().manifest()
        return bool(manifest) and _verdict(self.batch, manifest)[1] is None

    def requires(self) -> Clean:
        return self.clone(Clean)

    def output(self) -> dict[str, Any]:
        return {
            "ledger": CheckpointTarget("audit", self.batch),
            "rows": Marker("etl.ledger", self.batch, self.built_from()),
        }

    def built_from(self) -> BuiltFrom:
        return {
            "inputs": self.requires().output().manifest().get("content", ""),
            "code": fingerprints.of_modules(*paths.AUDIT_CODE),
            "settings": fingerprints.of_value(config.read(config.quality).max_rejected_share),
        }

    def target_stale(self) -> str | None:
        target, rows = self.output().values()
        reason = target.why_stale(self.built_from()) or rows.why_stale()
        return reason or target.manifest()["fault"]

    def run(self) -> None:
        tasks = self.pending()
        if not tasks:
            return
        with timed(self, counted(len(tasks))) as work, checkpoint.staging_folder("audit") as staging:
            migrations.apply()
            stopped: list[str] = []
            for number, task in enumerate(tasks):
                work.tell(number, len(tasks), f"{number:,} of {counted(len(tasks))}")
                if reason := task.audit(staging):
                    stopped.append(reason)
            if stopped:
                raise BatchStopped("\n".join(stopped))

    def audit(self, staging: Path) -> str | None:
        """Leave one batch's ledger; why the batch is stopped, if it is."""
        manifest = self.requires().output().require_intact()
        found, fault = _verdict(self.batch, manifest)
        drift = manifest["counts"]["drift"] if manifest["counts"] else []
        written = {
            "batch": self.batch,
            "verdict": STOPPED if fault else PASSED,
            "reason": fault,
            "entries": [entry.as_json() for entry in found],
            "drift": drift,
            "issues": manifest["tables"].get("issues", {}).get("rows", 0),
        }
        file = staging / paths.LEDGER
        file.write_text(json.dumps(written, indent=1), encoding="utf-8")
        built_from = self.built_from()
        target, marker = self.output().values()
        target.publish(staging, {paths.LEDGER: file}, {"built_from": dict(built_from), "fault": fault})
        rows = [(self.batch, written["verdict"], *entry.as_json().values()) for entry in found]
        warehouse.retried(self.title, partial(self._replace, rows, marker))
        return fault

    def _replace(self, rows: list[tuple[Any, ...]], marker: Marker) -> None:
        with warehouse.transaction() as cursor:
            cursor.execute("delete from etl.ledger where batch = %s", (self.batch,))
            if rows:
                execute_values(cursor, "insert into etl.ledger values %s", rows)
            marker.touch(cursor)


def verdict(batch: str) -> str | None:
    """Why a batch whose Clean is up to date is stopped, None when it is admitted."""
    return _verdict(batch, CheckpointTarget("clean", batch).manifest())[1]


def _verdict(batch: str, manifest: dict[str, Any]) -> tuple[list[ledger.Entry], str | None]:
    if fault := manifest["fault"]:
        return [], (
            f"batch {batch}, file {fault['file']}: at byte {fault['byte_offset']:,}: {fault['reason']}; "
            "nothing of the batch is loaded; replace the file and run again"
        )
    found = ledger.entries(manifest["counts"])
    reason = ledger.why_stopped(found, _rows_on_disk(batch, manifest), config.read(config.quality).max_rejected_share)
    return found, reason and f"batch {batch}: {reason}"


def _rows_on_disk(batch: str, manifest: dict[str, Any]) -> dict[str, int]:
    """The rows of each table by the footers of its files."""
    rows = dict.fromkeys(TABLES, 0)
    folder = CheckpointTarget("clean", batch).folder
    for file in manifest["files"]:
        table = file["path"].split("/")[0]
        if table in rows:
            rows[table] += pq.read_metadata(folder / file["path"]).num_rows
    return rows
