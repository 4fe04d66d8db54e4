"""What the commands show people, as rich renders it: findings of the doctor, a run's summary, rejected records."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from rich.console import JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from luigi_tasks import paths
from luigi_tasks.cli import summary
from luigi_tasks.cli.doctor.check import FAIL, OK, WARN, Finding
from luigi_tasks.cli.output import make_text
from luigi_tasks.quality import replay_outcome
from luigi_tasks.quality.quarantine import RejectedCounts
from luigi_tasks.targets.ledger_file import COUNTS
from luigi_tasks.texts import count, format_block, format_names

STYLES = {OK: "green", WARN: "yellow", FAIL: "red"}
"""How the levels of findings look."""
MARTS = (
    "user_engagement_mart",
    "content_performance_mart",
    "tag_analysis_mart",
    "location_analysis_mart",
    "daily_engagement_mart",
    "platform_mart",
)
GAP = (0, 2, 0, 0)
"""Two spaces to the right of a cell."""


def show_findings(findings: Sequence[Finding]) -> list[RenderableType]:
    """A line a finding, and whether the pipeline can run."""
    table = Table.grid(padding=GAP)
    for finding in findings:
        table.add_row(Text(finding.level, STYLES[finding.level]), finding.check, make_text(finding.text))
    failed = sum(finding.level == FAIL for finding in findings)
    warned = sum(finding.level == WARN for finding in findings)
    verdict = "the pipeline cannot run" if failed else "the pipeline can run"
    checks = count(len(findings), "check")
    return [table, Text(f"{verdict}: {checks}, {failed} failed, {warned} with a warning", "bold")]


def show_rejected(found: RejectedCounts) -> list[RenderableType]:
    """A line a batch, rule and entity, and how many records they are about."""
    total = Text(f"{count(found.records, 'record')} {'is' if found.records == 1 else 'are'} rejected")
    if not found.lines:
        return [total]
    table = Table(box=None, pad_edge=False, padding=GAP, header_style="bold")
    for name in ("batch", "rule", "entity"):
        table.add_column(name)
    table.add_column("records", justify="right")
    table.add_column("", style="red")
    for line in found.lines:
        stopped = "stopped" if line.stopped else ""
        table.add_row(make_text(line.batch), make_text(line.rule), line.entity, f"{line.records:,}", stopped)
    return [table, total]


def show_summary(found: dict[str, Any]) -> list[RenderableType]:
    """The summary of a run, as summary.collect_summary gives it."""
    shown: list[RenderableType] = [make_text(f"Run {found['run']}", "bold")]
    if found["stages"]:
        shown.append(_show_stages(found["stages"], found["usual_seconds"]))
    shown += _show_end(found["end"], bool(found["stages"]))
    if found["remarks"]:
        shown += [Text("Unusual", "bold"), *(_indent(remark, "! ") for remark in found["remarks"])]
    if found["replayed"]:
        outcomes = [replay_outcome.ReplayOutcome(**outcome) for outcome in found["replayed"]]
        shown += [Text("Replayed", "bold"), Text(format_block(replay_outcome.format_outcomes(outcomes)))]
    shown += [Text("Ledger of the landing folder", "bold"), _show_ledger(found["batches"])]
    for batch in found["batches"]:
        if batch["reason"]:
            shown.append(_indent(batch["reason"], "stopped "))
        if batch["drift"]:
            shown.append(_indent(f"batch {batch['batch']}: unknown fields: {format_names(batch['drift'])}"))
    issues = sum(batch["issues"] for batch in found["batches"])
    return [
        *shown,
        _indent(
            f"{count(issues, 'field')} {'was' if issues == 1 else 'were'} corrected: raw_data.issues lists them; "
            "raw_data.rejected has what was refused"
        ),
        Text("Next", "bold"),
        _indent(f"make psql, then: table marts.{MARTS[0]} limit 10;"),
        _indent(f"the other marts: {', '.join(MARTS[1:])}"),
        *([_indent(f"the report on them: {paths.report()}")] if paths.report().exists() else []),
    ]


def _show_end(end: dict[str, Any] | None, has_worked: bool) -> list[RenderableType]:
    """How a run ended, unless its stages say it all."""
    if end is None:
        return [_indent("Its end is not recorded: it is still at work, or it was killed.", "! ")]
    if end["code"]:
        return [_indent(f"Ended with exit code {end['code']}: {end['reason']}", "! ")]
    if has_worked:
        return []
    what = "every batch and the marts were" if end["task"] == "RunAll" else f"{end['task']} was"
    return [_indent(f"Nothing to do: {what} up to date.")]


def _show_stages(stages: Sequence[dict[str, Any]], usual_seconds: Sequence[float | None]) -> Table:
    """A line a stage: how it ended, its title, seconds, rows, and the seconds that are usual."""
    table = _make_grid("left", "left", "right", "right", "left")
    for stage, usual in zip_longest(stages, usual_seconds):
        is_done = stage["outcome"] == "done"
        table.add_row(
            "",
            Text("done", "green") if is_done else Text("failed", "red"),
            make_text(stage["title"]),
            f"{stage['seconds']:,.1f} s",
            "" if stage["rows"] is None else count(stage["rows"], "row"),
            "" if usual is None else f"usual {usual:,.1f} s",
        )
    return table


def _show_ledger(batches: Sequence[dict[str, Any]]) -> Table:
    """A line an entity: records read = accepted + rejected + duplicate + skipped."""
    term: list[JustifyMethod] = ["left", "right"]
    table = _make_grid(*term * len(COUNTS), gap=1)
    _add_equation(table, "", COUNTS)
    for entity, counts in summary.sum_records(batches).items():
        _add_equation(table, f"{entity}s", [f"{count:,}" for count in counts])
    return table


def _add_equation(table: Table, name: str, counts: Sequence[str]) -> None:
    """A row that says that the first count is the sum of the others."""
    read, *outcomes = counts
    terms = [cell for number, outcome in enumerate(outcomes) for cell in ("+" if number else "=", outcome)]
    table.add_row("", name, read, *terms)


def _make_grid(*columns: JustifyMethod, gap: int = 2) -> Table:
    """A table without lines, `gap` spaces between its columns. Its first column is empty: it indents by two spaces."""
    table = Table.grid(padding=(0, gap, 0, 0))
    table.add_column(width=2 - gap)
    for justify in columns:
        table.add_column(justify=justify)
    return table


def _indent(text: str, mark: str = "") -> RenderableType:
    """A text two spaces in, after a red mark if there is one."""
    return Padding.indent(Text.assemble((mark, "red"), make_text(text)), 2)
