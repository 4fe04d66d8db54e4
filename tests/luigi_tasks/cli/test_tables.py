"""The tables that people read."""

from pathlib import Path
from typing import Any

import pytest

from luigi_tasks import paths
from luigi_tasks.cli import explain, tables
from luigi_tasks.cli.doctor.check import FAIL, OK, WARN, Finding
from luigi_tasks.cli.explain import Answer
from luigi_tasks.cli.output import render_plain
from luigi_tasks.quality.quarantine import RejectedCount, RejectedCounts


def make_stage(title: str, seconds: float, rows: int | None, outcome: str = "done") -> dict[str, Any]:
    return {"title": title, "seconds": seconds, "rows": rows, "outcome": outcome}


def make_ledger(batch: str, read: int, rejected: int, reason: str | None, drift: list[str]) -> dict[str, Any]:
    counts = {"read": read, "accepted": read - rejected - 1, "rejected": rejected, "duplicate": 1, "skipped": 0}
    entries = [
        {"entity": "user", "measure": "records", **counts},
        {"entity": "user", "measure": "shares", **counts},
        {"entity": "post", "measure": "records", **counts},
    ]
    return {"batch": batch, "entries": entries, "reason": reason, "drift": drift, "issues": 1200}


def test_show_findings__is_a_line_a_finding_and_a_verdict():
    findings = [
        Finding("settings", WARN, "[spark] mastr: unknown"),
        Finding("java", OK, "Java 25"),
        Finding("server clock", FAIL, "x" * 300),
    ]
    assert render_plain(tables.show_findings(findings)) == [
        "warn  settings      [spark] mastr: unknown",
        "ok    java          Java 25",
        f"fail  server clock  {'x' * 300}",
        "the pipeline cannot run: 3 checks, 1 failed, 1 with a warning",
    ]
    assert render_plain(tables.show_findings(findings[:2]))[-1] == (
        "the pipeline can run: 2 checks, 0 failed, 1 with a warning"
    )


def test_show_rejected__is_a_line_a_batch_rule_and_entity():
    lines = [
        RejectedCount("a", "not_json", "document", False, 1),
        RejectedCount("b", "missing_post_id", "post", True, 1000),
    ]
    assert render_plain(tables.show_rejected(RejectedCounts(lines, 1001))) == [
        "batch  rule             entity    records",
        "a      not_json         document        1",
        "b      missing_post_id  post        1,000  stopped",
        "1,001 records are rejected",
    ]


def test_show_rejected__has_no_table_where_nothing_is_rejected():
    assert render_plain(tables.show_rejected(RejectedCounts([], 0))) == ["0 records are rejected"]


@pytest.fixture
def report(tmp_path, monkeypatch) -> Path:
    """Where the report is to be; it is not there."""
    monkeypatch.setattr(paths, "report", lambda: tmp_path / "index.html")
    return tmp_path / "index.html"


def test_show_summary__names_the_report_that_is_there_whatever_the_end(report):
    nothing = {"stages": [], "usual_seconds": [], "remarks": [], "replayed": [], "batches": []}
    ends = [{"code": code, "reason": "it failed", "task": "RunAll"} for code in (0, 30)]
    found = [{"run": "r", "end": end, **nothing} for end in ends]
    assert [str(report) in line for line in render_plain(tables.show_summary(found[0]))[-1:]] == [False]
    report.touch()
    for one in found:
        assert render_plain(tables.show_summary(one))[-1] == f"  the report on them: {report}"


@pytest.mark.usefixtures("report")
def test_show_summary__has_stages_remarks_and_ledger():
    long = "a title that is longer than all others are"
    replayed = {"rule": "not_json", "entity": "document", "before": 3, "came_back": 2, "still_rejected": 1, "gone": 0}
    found = {
        "run": "20260101T000000-1",
        "end": {"code": 30, "reason": "DbtTest failed", "task": "RunAll"},
        "stages": [make_stage(long, 1234.56, 1_000_000), make_stage("DbtTest", 0.5, None, "failed")],
        "usual_seconds": [None, 0.4],
        "remarks": ["DbtTest took [longer]"],
        "replayed": [{"batch": "a", **replayed}],
        "batches": [make_ledger("a", 1000, 100, None, ["shoe_size", "hat"]), make_ledger("b", 10, 4, "too many", [])],
    }
    assert render_plain(tables.show_summary(found)) == [
        "Run 20260101T000000-1",
        f"  done    {long}  1,234.6 s  1,000,000 rows",
        f"  failed  {'DbtTest':{len(long)}}      0.5 s                  usual 0.4 s",
        "  ! Ended with exit code 30: DbtTest failed",
        "Unusual",
        "  ! DbtTest took [longer]",
        "Replayed",
        "  not_json document: 3 rejected before = 2 came back + 1 still rejected + 0 gone",
        "Ledger of the landing folder",
        "         read = accepted + rejected + duplicate + skipped",
        "  users 1,010 =      904 +      104 +         2 +       0",
        "  posts 1,010 =      904 +      104 +         2 +       0",
        "  batch a: unknown fields: shoe_size, hat",
        "  stopped too many",
        "  2,400 fields were corrected: raw_data.issues lists them; raw_data.rejected has what was refused",
        "Next",
        "  make psql, then: table marts.user_engagement_mart limit 10;",
        "  the other marts: content_performance_mart, tag_analysis_mart, location_analysis_mart, "
        "daily_engagement_mart, platform_mart",
    ]


@pytest.mark.parametrize(
    ("end", "line"),
    [
        ((0, "", "RunAll"), "Nothing to do: every batch and the marts were up to date."),
        ((0, "", "RunAll 2026-01-01"), "Nothing to do: RunAll 2026-01-01 was up to date."),
        ((0, "", "Extract 2026-01-01"), "Nothing to do: Extract 2026-01-01 was up to date."),
        ((25, "it was told", "RunAll"), "! Ended with exit code 25: it was told"),
        ((10, "the reason", ""), "! Ended with exit code 10: the reason"),
        (None, "! Its end is not recorded: it is still at work, or it was killed."),
    ],
)
def test_show_summary__says_that_there_was_nothing_to_do_only_where_that_is_so(end, line):
    ended = None if end is None else dict(zip(("code", "reason", "task"), end, strict=True))
    nothing = {"stages": [], "usual_seconds": [], "remarks": [], "replayed": [], "batches": []}
    assert render_plain(tables.show_summary({"run": "r", "end": ended} | nothing))[1] == f"  {line}"


def test_explain__lists_what_will_run_and_counts_what_is_up_to_date_follows_or_is_stopped():
    answers = [
        Answer("Extract", "a", None, None),
        Answer("Audit", "b", "batch b, file b.json: it is broken", explain.RUNS),
        Answer("Load users", "a", "its code changed", explain.RUNS),
        Answer("Load posts", "a", None, None),
        Answer("Load users", "b", "Audit b is not up to date", explain.STOPPED),
        Answer("Load posts", "b", "Audit b is not up to date", explain.STOPPED),
        Answer("DbtRun", "", "Load users a is not up to date", explain.FOLLOWS),
        Answer("Report", "", "its file is missing or unreadable", explain.RUNS),
    ]
    assert list(explain.list_lines(answers)) == [
        ("Extract  1 of 1 up to date", "green"),
        ("Audit    0 of 1 up to date", "bold"),
        ("    Audit b: batch b, file b.json: it is broken", "yellow"),
        ("Load     1 of 4 up to date, 2 not run: the batch is stopped", "bold"),
        ("    Load users a: its code changed", "yellow"),
        ("DbtRun   0 of 1 up to date, 1 after the stages above", "bold"),
        ("Report   0 of 1 up to date", "bold"),
        ("    Report: its file is missing or unreadable", "yellow"),
    ]
