"""How a run ends: its last line, the summary, etl.runs and a message say so, and it leaves nothing behind."""

import contextlib
import json
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from project import MakeProject, Process, Project, Run, wait_for

SECONDS_TO_END = 30
OWN_TASK = """
import luigi_tasks

class Own(luigi_tasks.RunAll):
    def complete(self):
        return False

    def requires(self):
        return ["no task"]
"""


WITHOUT_SEMAPHORES = """
import multiprocessing
import luigi.cmdline

def refuse():
    raise OSError(30, "Read-only file system")

multiprocessing.Queue = refuse
luigi.cmdline.luigi_run(["--module", "luigi_tasks", "RunAll"])
"""


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann"}])
    assert made.run().code == 0
    return made


@pytest.fixture
def posts() -> Iterator[list[dict[str, Any]]]:
    """The messages that a web server received; its address is in SOCIALMART_NOTIFY."""
    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"json://127.0.0.1:{server.server_address[1]}/hook"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "address", address, raising=False)
        yield received
    server.shutdown()
    server.server_close()


def last_run(project: Project) -> tuple[str, str]:
    [(command, outcome)] = project.rows("select command, outcome from etl.runs order by started_at desc limit 1")
    return command, outcome


def must_be_told(project: Project, ran: Run, posts: list[dict[str, Any]], reason: str, task: str = "RunAll") -> None:
    """Last line, summary, etl.runs and one message say that a run did not do all it should."""
    assert f"ERROR the run ended with exit code {ran.code}: {reason}" in ran.output.splitlines()[-1], ran.output
    assert last_run(project) == (f"--module luigi_tasks {task}", "failed")
    summary = project.socialmart("summary").output
    assert f"\n  ! Ended with exit code {ran.code}: {reason}" in summary
    assert "Nothing to do" not in summary
    [post] = posts
    assert (post["type"], post["title"].split()[-1]) == ("failure", "failed")
    assert f"\n\nthe run ended with exit code {ran.code}: {reason}" in post["message"]


def finish(process: Process) -> Run:
    output = process.communicate(timeout=SECONDS_TO_END)[0]
    return Run(process.returncode, output.decode())


@contextmanager
def locked(project: Project, table: str) -> Iterator[None]:
    """Have whatever reads or writes a table wait."""
    project.rows("select 1")
    assert project._server is not None
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    where = {names[name]: value for name, value in project._server.parameters.items()}
    with closing(psycopg2.connect(**where)) as connection, connection.cursor() as cursor:
        cursor.execute(f"lock table {table} in access exclusive mode")
        yield


def waits(project: Project) -> bool:
    found = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'socialmart%'"
    return bool(project.rows(found))


def start_and_wait_for_a_lock(project: Project, user: str, **variables: str) -> Process:
    project.land("2026-01-02.json", [{"user_id": user}])
    process = project.start(**variables)
    wait_for("a stage that waits", lambda: waits(project), 60)
    return process


@pytest.mark.parametrize("table", ["raw_data.users", pytest.param("core.dim_users", marks=pytest.mark.slow)])
def test_sigkill_of_luigi__leaves_no_worker_that_holds_the_lock_and_no_socket(project, table):
    with locked(project, table), tempfile.TemporaryDirectory(dir="/tmp") as folder:
        process = start_and_wait_for_a_lock(project, f"ben {table}", TMPDIR=folder)
        assert list(Path(folder).glob("socialmart-*/socket"))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for("no sockets", lambda: not list(Path(folder).glob("socialmart-*")), 10)

        def is_free() -> bool:
            return "another run is at work" not in project.run("Extract", "--Extract-batch", "2026-01-01").output

        wait_for("a free lock", is_free, 10)
    assert project.run().code == 0


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGHUP, signal.SIGINT))]
)
def test_signal__ends_a_run_that_waits_for_the_server_in_time_and_is_told(project, posts, number):
    with locked(project, "raw_data.users"):
        process = start_and_wait_for_a_lock(project, f"cyd {number}", SOCIALMART_NOTIFY=project.address)
        process.send_signal(number)
        ran = finish(process)
    assert ran.code == 128 + number
    must_be_told(project, ran, posts, f"it was told to end by {number.name}; run again")
    assert project.run().code == 0


def test_run_that_was_told_to_start_no_more_stages__ends_with_25_and_is_told(project, posts):
    with locked(project, "raw_data.users"):
        process = start_and_wait_for_a_lock(project, "dan", SOCIALMART_NOTIFY=project.address)
        process.send_signal(signal.SIGUSR1)
    ran = finish(process)
    assert ran.code == 25
    must_be_told(project, ran, posts, "it was told to start no more stages (SIGUSR1); run again")
    assert project.run().code == 0


def test_run_that_cannot_tell_what_is_stale__ends_with_35_and_is_told(project, posts):
    project.set({"landing": {"folder": "gone"}})
    ran = project.run(SOCIALMART_NOTIFY=project.address)
    project.set({"landing": {"folder": "landing"}})
    assert ran.code == 35
    must_be_told(project, ran, posts, "RunAll: landing folder ")
    assert "Failed:\n- RunAll: landing folder" in posts[0]["message"]


def test_run_with_an_unhandled_exception__ends_with_40_and_is_told(project, posts):
    (project.folder / "own.py").write_text(OWN_TASK)
    ran = project.run("--module", "own", "Own", PYTHONPATH=str(project.folder), SOCIALMART_NOTIFY=project.address)
    assert ran.code == 40
    reason = "Exception: requires() must return Task objects but no task is a <class 'str'>"
    must_be_told(project, ran, posts, reason, "--module own Own")


def test_run_that_failed__is_told_with_its_exit_code(project, posts):
    project.land("2026-01-03.json", "[{")
    ran = project.run(SOCIALMART_NOTIFY=project.address)
    (project.landing / "2026-01-03.json").unlink()
    assert ran.code == 30
    must_be_told(project, ran, posts, "Audit 2026-01-03: batch 2026-01-03, file 2026-01-03.json: ")


def test_summary__of_a_run_that_found_another_says_so(project):
    with locked(project, "raw_data.users"):
        process = start_and_wait_for_a_lock(project, "eve")
        assert project.socialmart("run").code == 10
        summary = project.socialmart("summary").output
        assert "\n  ! Ended with exit code 10: " in summary
        assert "Nothing to do" not in summary
    assert finish(process).code == 0


def test_hanging_run__is_an_alarm_that_is_sent_once(project, posts):
    project.set({"notify": {"silent_hours": 0.0001}})
    with locked(project, "raw_data.users"):
        process = start_and_wait_for_a_lock(project, "fay")
        with contextlib.suppress(AssertionError):
            wait_for("some silence", lambda: False, 1)
        project.set({"notify": {"silent_hours": 0.0002}})
        codes = [project.run(SOCIALMART_NOTIFY=project.address) for _ in range(2)]
        assert [ran.code for ran in codes] == [15, 15], codes
    assert finish(process).code == 0
    project.set({"notify": {"silent_hours": 6}})
    assert "another run is at work since " in codes[0].output
    assert posts[0]["type"] == "failure" and "and has told nothing for 0.0 hours" in posts[0]["message"]


def test_long_run__is_told_once_a_day_though_it_gets_on(project, posts):
    project.set({"notify": {"silent_hours": 0}})
    with locked(project, "raw_data.users"):
        process = start_and_wait_for_a_lock(project, "ida")
        lock_file = project.checkpoints / ".run.lock"
        holder = json.loads(lock_file.read_text())
        lock_file.write_text(json.dumps(holder | {"since": holder["since"] - 30 * 3600}))
        codes = [project.run(SOCIALMART_NOTIFY=project.address).code for _ in range(2)]
    assert finish(process).code == 0
    project.set({"notify": {"silent_hours": 6}})
    [post] = posts
    assert codes == [10, 10]
    assert "another run is at work for 30 hours" in post["message"]


def test_setting__that_is_only_read_at_the_end_of_a_run_is_found_before(project, posts):
    project.land("2026-01-05.json", [{"user_id": "eve"}])
    for section, key in (("notify", "on"), ("notify", "stale_hours"), ("logs", "keep_runs"), ("warehouse", "retries")):
        ran = project.run("RunAll", f"--{section}-{key.replace('_', '-')}", "bad", SOCIALMART_NOTIFY=project.address)
        assert ran.code == 35
        assert f"the run ended with exit code 35: luigi.cfg, section [{section}], key {key}: " in ran.output
        assert "Traceback" not in ran.output
        assert "Extract" not in ran.output
        assert f"key {key}: cannot be read" in posts.pop()["message"]
    assert project.run().code == 0


@pytest.mark.parametrize("number", ["1", "3"])
def test_folder__that_cannot_be_looked_into_is_told_of(project, posts, number):
    """The system refuses to look for a name of 300 characters, as it does below a folder of somebody else."""
    project.land(f"2026-01-06-{number}.json", [{"user_id": "fay"}])
    ran = project.run("RunAll", "--workers", number, "--logs-folder", "x" * 300, SOCIALMART_NOTIFY=project.address)
    assert (ran.code, "Traceback" in ran.output) == (35, False)
    assert "cannot be written (File name too long); make it writable" in posts.pop()["message"]
    assert project.run().code == 0
    ran = project.run("RunAll", "--logs-folder", "x" * 300)
    assert (ran.code, "Traceback" in ran.output) == (0, False)
    folder = ["--warehouse-embedded-folder", "x" * 300]
    ran = project.run("RunAll", *folder, SOCIALMART_NOTIFY=project.address)
    assert (ran.code, "Traceback" in ran.output) == (35, False)
    assert "cannot be prepared: [Errno 36] File name too long" in posts.pop()["message"]


def test_run__without_semaphores_ends_in_a_sentence(project, tmp_path):
    (tmp_path / "run.py").write_text(WITHOUT_SEMAPHORES)
    project.land("2026-01-07.json", [{"user_id": "gil"}])
    ran = project.bash(f"python {tmp_path}/run.py")
    assert (ran.code, "Traceback" in ran.output) == (35, False)
    assert "ended with exit code 35: /dev/shm: Python makes no semaphores there (Read-only file system)" in ran.output
    assert project.run().code == 0


def test_parallel_scheduling__is_refused(project, tmp_path):
    ran = project.run("RunAll", "--parallel-scheduling")
    assert ran.code == 1
    assert "luigi.cfg, section [core], key parallel_scheduling: False expected, True found" in ran.output
    other = tmp_path / "luigi.cfg"
    other.write_text("[core]\nparallel_scheduling = true\n[worker]\nkeep_alive = true\n")
    ran = project.run(LUIGI_CONFIG_PATH=str(other))
    assert ran.code == 1
    assert "key parallel_scheduling: False expected, True found" in ran.output
    assert "key keep_alive: False expected, True found" in ran.output
    assert str(other) in ran.output


def test_summary__is_of_the_last_run_also_after_the_clock_was_ahead(project):
    ahead = project.folder / "logs" / "20990101T000000-1"
    ahead.mkdir()
    assert "2099" not in project.socialmart("summary").output.splitlines()[0]
    project.set({"logs": {"keep_runs": 2}})
    project.land("2026-01-04.json", [{"user_id": "gus"}])
    assert project.run().code == 0
    assert not ahead.exists()
    assert "2099" not in project.socialmart("summary").output.splitlines()[0]


def test_build__takes_the_run_lock(project):
    build = "import luigi, luigi_tasks; luigi.build([luigi_tasks.RunAll()], local_scheduler=True)"
    with locked(project, "raw_data.users"):
        process = start_and_wait_for_a_lock(project, "hal")
        ran = project.bash(f'python -c "{build}"')
        assert "another run is at work since " in ran.output
    assert finish(process).code == 0
    assert project.bash(f'python -c "{build}"').code == 0
