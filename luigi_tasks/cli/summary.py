"""The summary of a run: stages with seconds and rows, the ledger, what to look at next."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import Any

from luigi_tasks import paths, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.quality import replay_outcome
from luigi_tasks.quality.replay_outcome import ReplayOutcome
from luigi_tasks.runs import anomalies, journal
from luigi_tasks.runs.journal import StageRecord
from luigi_tasks.targets import landing
from luigi_tasks.targets.ledger_file import format_ledger, read_ledger

BOLD, GREEN, RED, PLAIN = "\033[1m", "\033[32m", "\033[31m", "\033[0m"
MARTS = (
    "user_engagement_mart",
    "content_performance_mart",
    "tag_analysis_mart",
    "location_analysis_mart",
    "daily_engagement_mart",
)


def as_json(run: str) -> dict[str, Any]:
    """Everything the summary says, for scripts."""
    stages = journal.read_finished_stages(run)
    found = {"run": run, "stages": [asdict(stage) for stage in stages], "batches": _ledgers()}
    return {**found, "usual_seconds": [], "remarks": [], "replayed": [], **(_recorded(run, stages) if stages else {})}


def _recorded(run: str, stages: Sequence[StageRecord]) -> dict[str, Any]:
    """What the warehouse has to say of a run: the seconds that are usual for each stage, what is unusual, what became
    of rejected records; or why it says nothing."""
    try:
        with warehouse.reading() as cursor:
            usual = [anomalies.find_usual_seconds(cursor, run, stage) for stage in stages]
            cursor.execute("select remark from etl.remarks where run_id = %s order by kind, subject", (run,))
            remarks = [text for (text,) in cursor.fetchall()]
        outcomes = replay_outcome.read_outcomes(run) if any(stage.stage == "Replay" for stage in stages) else []
    except PipelineError as error:
        return {"remarks": [f"what was usual is not known: {error}"]}
    return {"usual_seconds": usual, "remarks": remarks, "replayed": [asdict(outcome) for outcome in outcomes]}


def as_text(run: str, coloured: bool) -> str:
    """The summary for people."""
    paint = (lambda colour, text: f"{colour}{text}{PLAIN}") if coloured else (lambda colour, text: text)
    found = as_json(run)
    lines = [paint(BOLD, f"Run {run}")]
    if not found["stages"]:
        lines.append("  Nothing to do: every batch and the marts are up to date.")
    for entry, usual in zip_longest(found["stages"], found["usual_seconds"]):
        rows = "" if entry["rows"] is None else f"{entry['rows']:>12,} rows"
        rows = f"{rows:17}  usual {usual:,.1f} s" if usual is not None else rows
        outcome = paint(GREEN, "done  ") if entry["outcome"] == "done" else paint(RED, "failed")
        lines.append(f"  {outcome} {entry['title']:<40} {entry['seconds']:>8.1f} s {rows}")
    if found["remarks"]:
        lines += [paint(BOLD, "Unusual"), *(f"  {paint(RED, '!')} {remark}" for remark in found["remarks"])]
    if found["replayed"]:
        outcomes = [ReplayOutcome(**fields) for fields in found["replayed"]]
        lines += [paint(BOLD, "Replayed"), replay_outcome.format_outcomes(outcomes)]
    lines.append(paint(BOLD, "Ledger of the landing folder"))
    lines.append(f"  {'':10} {'read':>13} = {'accepted':>13} + {'rejected':>11} + {'duplicate':>11}")
    for (entity, measure), counts in _totals(found["batches"]).items():
        if measure == "records":
            read, accepted, rejected, duplicate = counts
            lines.append(f"  {entity + 's':10} {read:>13,} = {accepted:>13,} + {rejected:>11,} + {duplicate:>11,}")
    for batch in found["batches"]:
        if batch["reason"]:
            lines.append(f"  {paint(RED, 'stopped')} {batch['reason']}")
        if batch["drift"]:
            lines.append(f"  batch {batch['batch']}: unknown fields: {', '.join(batch['drift'])}")
    issues = sum(batch["issues"] for batch in found["batches"])
    lines.append(
        f"  {issues:,} fields were corrected: raw_data.issues says which; raw_data.rejected has what was refused"
    )
    lines.append(paint(BOLD, "Next"))
    lines.append(f"  make psql, then: table marts.{MARTS[0]} limit 10;")
    lines.append(f"  the other marts: {', '.join(MARTS[1:])}")
    return "\n".join(lines)


def last_run() -> str | None:
    """The name of the latest run that left a folder of logs."""
    runs = [path.name for path in paths.runs()]
    return os.environ.get(run_id.VARIABLE) or (runs[-1] if runs else None)


def _ledgers() -> list[dict[str, Any]]:
    found = (read_ledger(paths.checkpoint("audit", batch) / paths.LEDGER) for batch in landing.list_batches())
    return [format_ledger(ledger) for ledger in found if ledger]


def _totals(batches: list[dict[str, Any]]) -> dict[tuple[str, str], list[int]]:
    totals: dict[tuple[str, str], list[int]] = {}
    for batch in batches:
        for entry in batch["entries"]:
            sums = totals.setdefault((entry["entity"], entry["measure"]), [0, 0, 0, 0])
            for place, name in enumerate(("read", "accepted", "rejected", "duplicate")):
                sums[place] += entry[name]
    return totals
