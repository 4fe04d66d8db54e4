"""Whoever starts a run by `socialmart run` sees it at work: on a terminal, as JSON Lines, or as plain lines."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest
from project import PROGRAMS, SECONDS_A_RUN, MakeProject, Project

COMMAND = [PROGRAMS / "socialmart", "run"]
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SECONDS_TO_BEGIN = 60


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann", "posts": [{"post_id": "p"}]}])
    return made


def on_terminal(project: Project, *arguments: str) -> tuple[int, str]:
    """The exit code of a run on a terminal, and all that the terminal was sent."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=project.folder, env=environment, stdout=theirs, stderr=theirs
    ) as run:
        os.close(theirs)
        sent = b""
        while chunk := _read(ours):
            sent += chunk
        return run.wait(SECONDS_A_RUN), sent.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # it is closed
        return b""


def test_run__on_a_terminal_shows_stages_at_work_and_then_the_summary(project):
    project.run()
    (project.checkpoints / "clean" / "2026-01-01").rename(project.folder / "clean_aside")
    code, sent = on_terminal(project)
    shown = CONTROLS.sub("", sent)
    assert code == 0
    assert re.search(r"· +Extract", shown) and re.search(r"✓ +Clean 2026-01-01 +done +\d+\.\d s +2 rows", shown)
    assert " INFO " not in shown
    assert re.search(r"\n +done +Clean 2026-01-01 ", shown), shown


def test_run__on_a_terminal_says_what_is_wrong_and_leaves_its_exit_code(project):
    broken = project.land("2026-01-02.json", '[{"user_id": "ben"')
    try:
        code, sent = on_terminal(project)
    finally:
        broken.unlink()
    shown = CONTROLS.sub("", sent)
    assert code == 30
    assert "batch 2026-01-02, file 2026-01-02.json: at byte 18: the array is cut short" in " ".join(shown.split())
    assert re.search(r"✗ +Audit 2026-01-02 +failed", shown)


def test_run__as_json_tells_every_event_and_how_it_ended(project):
    project.land("2026-01-03.json", [{"user_id": "cyd"}])
    ran = project.socialmart("run", "--json")
    events = [json.loads(line) for line in ran.output.splitlines()]
    assert ran.code == 0
    finished = {event["stage"]: event["rows"] for event in events if event["event"] == "finished"}
    assert finished["Extract"] == finished["Load users"] == 1
    told = [event for event in events if event["event"] == "progress" and event["stage"] == "Extract"]
    assert told[0]["status"] == "1 batch" and re.fullmatch(r"1 row, \d+\.\d s", told[-1]["status"])
    assert [event["percent"] for event in told] == sorted(event["percent"] for event in told)
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("ended", 0)


def test_run__elsewhere_gives_plain_lines_and_the_summary(project):
    project.land("2026-01-04.json", [{"user_id": "dot"}])
    ran = project.socialmart("run")
    assert ran.code == 0
    assert re.search(r"^\d\d:\d\d:\d\d INFO Extract 2026-01-04: done, 1 row, ", ran.output, re.MULTILINE)
    assert "Ledger of the landing folder" in ran.output and "\x1b" not in ran.output


def test_run__hands_its_arguments_to_luigi(project):
    ran = project.socialmart("run", "Clean", "--Clean-batch", "2026-01-09")
    assert ran.code == 30
    assert "no batch 2026-01-09; expected one of: 2026-01-01" in ran.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run__ends_with_the_run_when_it_is_told_to(project, number):
    project.land(f"2026-02-{number:02}.json", [{"user_id": "eve"}])
    with subprocess.Popen(
        COMMAND, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True
    ) as run:
        assert run.stdout is not None
        until = time.monotonic() + SECONDS_TO_BEGIN
        for line in run.stdout:
            assert time.monotonic() < until
            if "Extract" in line and "started" in line:
                run.send_signal(number)
                break
        said = run.stdout.read()
        assert run.wait(SECONDS_A_RUN) == 128 + number
    assert "Traceback" not in said
    assert project.run().code == 0
