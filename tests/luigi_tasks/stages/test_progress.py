"""What a stage tells of itself while it is at work."""

import json
import logging
import re
import time
from typing import Any

import pytest

from luigi_tasks import config, paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.stages import progress
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.progress import track_stage


class Counting(Stage):
    """Does nothing."""


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setattr(config.read_section_once(config.logs), "folder", str(tmp_path))
    monkeypatch.setenv(run_id.VARIABLE, "run-1")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 0.01)
    return Counting()


def events() -> list[dict[str, Any]]:
    path = paths.journal("run-1")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(status: str) -> None:
    """Wait until the journal tells a status."""
    until = time.monotonic() + 20
    while status not in [event.get("status") for event in events()]:
        assert time.monotonic() < until, events()
        time.sleep(0.005)


def test_track_stage__tells_the_journal_how_far_it_is_and_what_came_of_it(stage):
    with track_stage(stage, "3 batches") as progressing:
        wait_for("3 batches")
        progressing.update(1, 3, "1 of 3 rows", "http://localhost:4040")
        wait_for("1 of 3 rows")
        progressing.rows = 3
    told = [(event["percent"], event["status"], event["url"]) for event in events() if event["event"] == "progress"]
    assert told[:2] == [(0, "3 batches", None), (33, "1 of 3 rows", "http://localhost:4040")]
    assert told[2][0] == 100 and re.fullmatch(r"3 rows, \d+\.\d s", told[2][1])
    assert (events()[-1]["event"], events()[-1]["rows"], events()[-1]["outcome"]) == ("finished", 3, "done")


def test_update__never_goes_back(stage):
    with track_stage(stage, "begins") as progressing:
        wait_for("begins")
        for done, total in ((2, 3), (1, 3), (0, 0), (5, 3)):
            progressing.update(done, total, f"{done} of {total}")
            wait_for(f"{done} of {total}")
    assert [event["percent"] for event in events()[:-1]] == [0, 66, 66, 66, 100, 100]


def test_track_stage__tells_luigid_how_far_it_is_and_its_page_once(stage):
    percents: list[int] = []
    statuses: list[str] = []
    pages: list[str] = []
    stage.set_progress_percentage, stage.set_status_message = percents.append, statuses.append
    stage.set_tracking_url = pages.append
    with track_stage(stage, "all") as progressing:
        wait_for("all")
        for done in (1, 2):
            progressing.update(done, 4, f"{done} of 4", "http://localhost:4040")
            wait_for(f"{done} of 4")
    assert (percents, statuses[:-1], pages) == (
        [0, 25, 50, 100],
        ["all", "1 of 4", "2 of 4"],
        ["http://localhost:4040"],
    )


def test_track_stage__names_a_folder_of_logs_that_cannot_be_written(stage, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "logs", lambda: tmp_path / "file")
    expected = r"logs folder .*/file: cannot be written \(.*\); make it writable, or set \[logs\] folder in luigi.cfg"
    with pytest.raises(PipelineError, match=expected), track_stage(stage, "all"):
        pass


def test_track_stage__says_now_and_then_in_the_log_how_far_it_is(stage, monkeypatch, caplog):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LOG_LINES", 0.05)
    with caplog.at_level(logging.INFO), track_stage(stage, "all") as progressing:
        progressing.update(1, 4, "1 of 4 rows")
        until = time.monotonic() + 20
        while "Counting: 25 %, 1 of 4 rows" not in caplog.messages:
            assert time.monotonic() < until
            time.sleep(0.005)
