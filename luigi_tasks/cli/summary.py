"""The summary of a run: its stages, what was unusual about it, and the ledger of the landing folder."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from luigi_tasks import paths, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.quality import replay_outcome
from luigi_tasks.runs import anomalies, journal
from luigi_tasks.runs.journal import StageRecord
from luigi_tasks.targets import checkpoint, landing
from luigi_tasks.targets.ledger_file import COUNTS


def find_last_run() -> str | None:
    """The run that SOCIALMART_RUN_ID names, else the latest one that left a folder of logs; None without any."""
    runs = [path.name for path in paths.runs()]
    return os.environ.get(run_id.VARIABLE) or (runs[-1] if runs else None)


def collect_summary(run: str) -> dict[str, Any]:
    """Everything the summary says of a run:

    - run: its id
    - stages: the fields of journal.StageRecord
    - end: the fields of journal.RunEnd; None where the run is still at work, or was killed
    - usual_seconds: for each stage in turn how long it usually takes, or None
    - remarks: sentences on what was unusual
    - replayed: what became of rejected records, a line a batch, rule and entity
    - batches: the ledgers of the batches in the landing folder
    """
    stages = journal.read_finished_stages(run)
    recorded = _read_record(run, stages) if stages else {}
    nothing: dict[str, Any] = {"usual_seconds": [], "remarks": [], "replayed": []}
    end = journal.read_end(run)
    found = {
        "run": run,
        "stages": [asdict(stage) for stage in stages],
        "end": asdict(end) if end else None,
        "batches": _read_ledgers(),
    }
    return found | nothing | recorded


def _read_record(run: str, stages: Sequence[StageRecord]) -> dict[str, Any]:
    """What the warehouse knows of a run. Where it cannot be asked, a remark says why."""
    try:
        with warehouse.reading() as cursor:
            usual = [anomalies.find_usual_seconds(cursor, run, stage) for stage in stages]
            cursor.execute("select remark from etl.remarks where run_id = %s order by kind, subject", (run,))
            remarks = [text for (text,) in cursor.fetchall()]
        outcomes = replay_outcome.read_outcomes(run) if any(stage.stage == "Replay" for stage in stages) else []
    except PipelineError as error:
        return {"remarks": [f"what was usual is not known: {error}"]}
    return {"usual_seconds": usual, "remarks": remarks, "replayed": [asdict(outcome) for outcome in outcomes]}


def _read_ledgers() -> list[dict[str, Any]]:
    return [asdict(ledger) for ledger in checkpoint.read_ledgers(landing.list_batches()).values()]


def sum_records(batches: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """Records read, accepted, rejected, duplicate and skipped over all ledgers, by entity."""
    totals: dict[str, list[int]] = {}
    for batch in batches:
        for entry in batch["entries"]:
            if entry["measure"] == "records":
                counts = [entry[name] for name in COUNTS]
                before = totals.get(entry["entity"], [0] * len(COUNTS))
                totals[entry["entity"]] = [sum(pair) for pair in zip(before, counts, strict=True)]
    return totals
