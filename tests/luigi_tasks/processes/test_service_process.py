"""A companion answers many stages, in forks too, and is gone with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luigi_tasks.errors import PipelineError
from luigi_tasks.processes.service_process import Companion

SERVER = """
import os, subprocess, sys, time
from spark_jobs.engine.request_server import serve

def fail(request, tell):
    raise ValueError("no such luck")

def count(request, tell):
    for number in range(1, 4):
        tell({"done": number, "total": 3, "status": f"{number} of 3"})
        time.sleep(request["seconds"])
    return {"counted": 3}

def pids(request, tell):
    return {"pids": [os.getpid(), subprocess.Popen(["sleep", "1000"]).pid]}

print("ready to serve", flush=True)
serve(int(sys.argv[1]), {
    "double": lambda request, tell: {"twice": request["text"] * 2},
    "fail": fail,
    "leave": lambda request, tell: os._exit(7),
    "pids": pids,
    "count": count,
})
"""


@pytest.fixture
def companion(tmp_path):
    one = Companion("the server", [sys.executable, "-c", SERVER], os.environ, tmp_path / "log")
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


def test_ask__gives_the_result_of_each_job_from_one_process(companion):
    assert companion.ask("double", {"text": "é"}) == {"twice": "éé"}
    long = "x" * 3_000_000
    assert companion.ask("double", {"text": long}) == {"twice": long * 2}


def test_ask__hands_on_how_far_the_job_is(companion):
    told = []
    found = companion.ask("count", {"seconds": 0}, lambda **progress: told.append(progress))
    assert told == [{"done": number, "total": 3, "status": f"{number} of 3"} for number in (1, 2, 3)]
    assert found == companion.ask("count", {"seconds": 0}) == {"counted": 3}


def test_ask__is_answered_after_somebody_who_asked_has_gone(companion):
    companion.start()
    pid = os.fork()
    if pid == 0:
        companion.ask("count", {"seconds": 0.3}, lambda **progress: os._exit(0))
    os.waitpid(pid, 0)
    assert companion.ask("double", {"text": "a"}) == {"twice": "aa"}


def test_ask__from_forks_at_once_gives_each_its_own_answer(companion):
    companion.start()
    children = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            answer = companion.ask("double", {"text": str(number) * 100_000})
            os._exit(int(answer == {"twice": str(number) * 200_000}))
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [1] * 8


def test_ask__that_fails_says_why_and_the_next_is_answered(companion):
    with pytest.raises(
        PipelineError, match=r"fail failed: ValueError: no such luck\nthe end of .*log:\n(.*\n)*.*no such"
    ):
        companion.ask("fail", {})
    assert companion.ask("double", {"text": "a"}) == {"twice": "aa"}


def test_ask__of_a_process_that_ends_says_so_with_the_end_of_its_log(companion):
    for _ in range(2):
        with pytest.raises(PipelineError, match=r"the server ended before leave was done; the end of .*\n    ready to"):
            companion.ask("leave", {})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_companion__ends_with_the_process_that_started_it(tmp_path, number):
    starter = f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_service_process import SERVER, Companion
companion = Companion("the server", [sys.executable, "-c", SERVER], os.environ, Path({str(tmp_path)!r}) / "log")
print(*companion.ask("pids", {{}})["pids"], flush=True)
time.sleep(1000)
"""
    process = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    server, grandchild = map(int, process.stdout.readline().split())
    assert is_alive(server)
    process.send_signal(number)
    process.wait()
    wait_until_gone([server])
    os.kill(grandchild, signal.SIGKILL)


def test_close__waits_for_all_that_the_companion_started(tmp_path):
    companion = Companion("the server", [sys.executable, "-c", SERVER], os.environ, tmp_path / "log")
    pids = companion.ask("pids", {})["pids"]
    os.kill(pids[1], signal.SIGTERM)
    companion.close()
    assert not any(map(is_alive, pids))
