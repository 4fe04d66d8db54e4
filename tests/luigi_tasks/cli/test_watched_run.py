"""How a run is followed, and what the live view makes of its journal."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from luigi_tasks.cli.live_view import LiveView
from luigi_tasks.cli.output import render_plain
from luigi_tasks.cli.watched_run import NotableLines, Tail
from luigi_tasks.runs.journal import DONE, FAILED, StageProgress, StageRecord
from luigi_tasks.stages.registry import STAGES


@pytest.fixture
def view(monkeypatch) -> LiveView:
    monkeypatch.setattr("luigi_tasks.runs.journal.make_run_folder", lambda: Path("logs"))
    return LiveView()


def finish(view: LiveView, stage: str, batch: str, seconds: float, rows: int | None, outcome: str = DONE) -> None:
    entry = StageRecord(stage, [batch] if batch else [], f"{stage} {batch}".strip(), "", 0.0, seconds, rows, outcome)
    view.add_line(json.dumps({"event": "finished", **asdict(entry)}))


def shown(view: LiveView) -> list[str]:
    return [re.sub(" +", " ", line).strip() for line in render_plain([view.render()])]


def test_tail__gives_whole_lines_once(tmp_path):
    path = tmp_path / "log"
    tail = Tail(path)
    assert tail.read_lines() == []
    with path.open("ab", buffering=0) as file:
        file.write(b"one\n\ntwo\nthr")
        assert tail.read_lines() == ["one", "", "two"]
        file.write(b"ee")
        assert tail.read_lines() == []
        file.write("\N{LATIN SMALL LETTER U WITH DIAERESIS}\n".encode())
        file.write(b"\xff\n")
        assert tail.read_lines() == ["threeü", "\ufffd"]
    assert tail.read_lines() == []


def test_notable_lines__are_records_above_info_with_all_their_lines():
    printed: list[str] = []
    notable = NotableLines(printed.append)
    lines = ["before any record", "10:00:00 INFO a", "more of a", "10:00:01 ERROR b", "more of b", "10:00:02 INFO c"]
    for line in lines:
        notable.print_line(line)
    assert printed == ["before any record", "10:00:01 ERROR b", "more of b"]


def test_live_view__lists_all_stages_before_any_begins(view):
    lines = shown(view)
    assert lines[:-1] == [f"· {kind.name}" for kind in STAGES if not kind.is_optional]
    assert re.fullmatch(r"\d+ s run \S+ logs in logs", lines[-1])


def test_live_view__adds_up_the_batches_of_a_finished_stage(view):
    finish(view, "Extract", "a", 1.0, 10)
    finish(view, "Extract", "b", 2.5, 2000)
    finish(view, "Audit", "a", 0.1, None)
    finish(view, "Audit", "b", 0.2, None, FAILED)
    finish(view, "Publish", "", 0.2, 7)
    finish(view, "Replay", "", 0.2, None)
    lines = shown(view)
    assert "✓ Extract a and 1 more done 3.5 s 2,010 rows" in lines
    assert "✗ Audit a and 1 more failed 0.3 s" in lines
    assert "✓ Publish done 0.2 s 7 rows" in lines
    assert lines[-2] == "✓ Replay done 0.2 s"


def test_live_view__shows_a_stage_at_work_until_it_is_finished(view):
    progress = StageProgress("Clean", "Clean a", 0.0, 50, "1 of 2 parts", "http://spark:4040")
    view.add_line(json.dumps({"event": "progress", **asdict(progress)}))
    line = next(line for line in shown(view) if "Clean a" in line)
    assert line.endswith("s 1 of 2 parts")
    assert shown(view)[-1].endswith("logs in logs http://spark:4040")
    finish(view, "Clean", "a", 1.0, 3)
    assert "✓ Clean a done 1.0 s 3 rows" in shown(view)
    assert "http" not in shown(view)[-1]
