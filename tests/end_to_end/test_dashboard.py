"""A run shows up in luigid while that is there, and its history stays in the warehouse."""

import json
import re
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from project import PROGRAMS, MakeProject, Project, free_ports

from luigi_tasks.cli.luigid import HOST
from luigi_tasks.runs.scheduler import answers

SECONDS_TO_START = 60


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann", "posts": [{"post_id": "p"}]}])
    return made


@contextmanager
def dashboard(project: Project, port: int, address: str = HOST) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--port", str(port), *(["--address", address] if address != HOST else [])]
    process = subprocess.Popen(
        [PROGRAMS / "socialmart", "dashboard", *options], cwd=project.folder, start_new_session=True
    )
    until = time.monotonic() + SECONDS_TO_START
    while not answers(address, port):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_TO_START) == 128 + signal.SIGTERM
        assert not answers(address, port)


def page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}") as answer:
        return answer.read().decode()


def done(port: int) -> dict[str, dict[str, Any]]:
    """What luigid shows of the tasks that are done, by name and batch."""
    asked = urllib.parse.quote(json.dumps({"status": "DONE", "upstream_status": ""}))
    found = json.loads(page(port, f"/api/task_list?data={asked}"))["response"]
    return {f"{task['name']} {task['params']['batch']}": task for task in found.values()}


def test_run__shows_up_in_luigid_and_goes_on_without_it(project):
    port = free_ports(1)
    where = {"default_scheduler_host": HOST, "default_scheduler_port": port}
    project.set({"core": where, "dashboard": {"use": "auto"}})
    with dashboard(project, port):
        ran = project.run()
        assert ran.code == 0, ran.output
        shown = done(port)
        assert shown.keys() >= {f"{stage} 2026-01-01" for stage in ("Extract", "Clean", "Audit", "Load")} | {"RunAll "}
        extract = shown["Extract 2026-01-01"]
        assert re.fullmatch(r"1 rows, \d+\.\d s", extract["status_message"]) and extract["progress_percentage"] == 100
        assert re.fullmatch(r"http://[\w.]+:\d+", extract["tracking_url"])
        assert 'luigi_task_done_total{family="Extract"} 1.0' in page(port, "/metrics")
        assert "Extract" in page(port, "/tasklist")
    history = project.rows(
        "select name, event_name from luigi_history.tasks as tasks join luigi_history.task_events as events "
        "on tasks.id = events.task_id where name = 'Publish' order by ts"
    )
    assert [event for _, event in history] == ["PENDING", "RUNNING", "DONE"]
    project.land("2026-01-02.json", [{"user_id": "ben"}])
    assert project.run().code == 0


def test_dashboard__says_that_its_port_is_in_use(project):
    port = free_ports(1)
    with dashboard(project, port):
        ran = project.socialmart("dashboard", "--port", str(port))
    assert ran.code == 1
    expected = f"port {port} of 127.0.0.1 is in use; stop what listens there, or choose another by --port"
    assert ran.output == f"socialmart: {expected}\n"


def test_dashboard__listens_on_this_machine_only_unless_another_address_is_given(project):
    port, other = free_ports(1), "127.0.0.2"
    with dashboard(project, port):
        assert not answers(other, port)
    with dashboard(project, port, other):
        assert not answers(HOST, port)


def test_services__are_no_runs(project):
    project.run()
    last = max(path.name for path in (project.folder / "logs").glob("2*"))
    assert (project.folder / "logs" / ".services" / "dashboard" / "luigid.log").exists()
    assert project.socialmart("summary").output.splitlines()[0] == f"Run {last}"
