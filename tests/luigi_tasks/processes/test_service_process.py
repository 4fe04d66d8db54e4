"""A service answers many stages, in forks too, and is gone with the process that started it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from luigi_tasks.errors import PipelineError
from luigi_tasks.processes.service_process import ServiceProcess
from spark_jobs.messages import JobProgress, Tell
from spark_jobs.messages.exchange import Handler, Operation, serve


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Pace:
    seconds: float


@dataclass(frozen=True)
class Number:
    number: int


@dataclass(frozen=True)
class Pids:
    pids: Sequence[int]


@dataclass(frozen=True)
class Nothing:
    pass


DOUBLE = Operation("double", Text, Text)
COUNT = Operation("count", Pace, Number)
FAIL = Operation("fail", Nothing, Nothing)
LEAVE = Operation("leave", Nothing, Nothing)
PIDS = Operation("pids", Nothing, Pids)


def fail(request: Nothing, tell: Tell) -> Nothing:
    raise ValueError("no such luck")


def count(request: Pace, tell: Tell) -> Number:
    for number in range(1, 4):
        tell(JobProgress(number, 3, f"{number} of 3", None))
        time.sleep(request.seconds)
    return Number(3)


def pids(request: Nothing, tell: Tell) -> Pids:
    return Pids([os.getpid(), subprocess.Popen(["sleep", "1000"]).pid])


def main() -> None:
    sys.stderr.write("ready to serve\n")
    serve(
        sys.argv[sys.argv.index("--address") + 1],
        [
            Handler(DOUBLE, lambda request, tell: Text(request.text * 2)),
            Handler(COUNT, count),
            Handler(FAIL, fail),
            Handler(LEAVE, lambda request, tell: os._exit(7)),
            Handler(PIDS, pids),
        ],
    )


def make_service(folder: Path) -> ServiceProcess:
    return ServiceProcess("the server", [sys.executable, __file__], os.environ, folder / "log")


@pytest.fixture
def service(tmp_path):
    one = make_service(tmp_path)
    yield one
    one.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + 20
    while any(map(is_alive, pids)):
        assert time.monotonic() < until, pids
        time.sleep(0.05)


def test_ask__gives_the_result_of_each_job_from_one_process(service):
    assert service.ask(DOUBLE, Text("é")) == Text("éé")
    long = "x" * 3_000_000
    assert service.ask(DOUBLE, Text(long)) == Text(long * 2)


def test_ask__hands_on_how_far_the_job_is(service):
    told = []
    found = service.ask(COUNT, Pace(0.0), told.append)
    assert told == [JobProgress(number, 3, f"{number} of 3", None) for number in (1, 2, 3)]
    assert found == service.ask(COUNT, Pace(0.0)) == Number(3)


def test_ask__is_answered_after_somebody_who_asked_has_gone(service):
    service.start()
    pid = os.fork()
    if pid == 0:
        service.ask(COUNT, Pace(0.3), lambda progress: os._exit(0))
    os.waitpid(pid, 0)
    assert service.ask(DOUBLE, Text("a")) == Text("aa")


def test_ask__from_forks_at_once_gives_each_its_own_answer(service):
    service.start()
    children = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            answer = service.ask(DOUBLE, Text(str(number) * 100_000))
            os._exit(int(answer == Text(str(number) * 200_000)))
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [1] * 8


def test_ask__that_fails_says_why_and_the_next_is_answered(service):
    with pytest.raises(
        PipelineError, match=r"fail failed: ValueError: no such luck\nthe end of .*log:\n(.*\n)*.*no such"
    ):
        service.ask(FAIL, Nothing())
    assert service.ask(DOUBLE, Text("a")) == Text("aa")


def test_ask__of_a_process_that_ends_says_so_with_the_end_of_its_log(service):
    for _ in range(2):
        with pytest.raises(PipelineError, match=r"the server ended before leave was done; the end of .*\n    ready to"):
            service.ask(LEAVE, Nothing())


def test_ask__of_a_process_that_is_killed_at_its_start_says_so(tmp_path):
    dying = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    service = ServiceProcess("the server", dying, os.environ, tmp_path / "log")
    with pytest.raises(PipelineError, match="the server was killed during its start, as the kernel does when memory"):
        service.ask(DOUBLE, Text("a"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_service__ends_with_the_process_that_started_it(tmp_path, number):
    starter = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_service_process import PIDS, Nothing, make_service
print(*make_service(Path({str(tmp_path)!r})).ask(PIDS, Nothing()).pids, flush=True)
time.sleep(1000)
"""
    process = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    server, grandchild = map(int, process.stdout.readline().split())
    assert is_alive(server)
    process.send_signal(number)
    process.wait()
    wait_until_gone([server])
    os.kill(grandchild, signal.SIGKILL)


def test_close__waits_for_all_that_the_service_started(tmp_path):
    service = make_service(tmp_path)
    pids = service.ask(PIDS, Nothing()).pids
    os.kill(pids[1], signal.SIGTERM)
    service.close()
    assert not any(map(is_alive, pids))


def test_service__leaves_no_folder_of_its_socket(tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # pytest's may be too long for a socket
        monkeypatch.setattr(tempfile, "tempdir", short)
        service = make_service(tmp_path)
        service.ask(DOUBLE, Text("a"))
        [folder] = Path(short).iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        service.close()
        assert list(Path(short).iterdir()) == []


def test_service__is_reached_where_the_folder_for_temporary_files_has_a_long_path(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    service = make_service(tmp_path)
    assert service.ask(DOUBLE, Text("a")) == Text("aa")
    service.close()
    assert list(long.iterdir()) == []


if __name__ == "__main__":
    main()
