"""Children and forks end with the process that started them, at whatever moment and whatever they wait for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luigi_tasks.processes import child_process

WAITS_IN_C = "ctypes.CDLL(None).system(b'exec sleep 1000')"
"""Where Python's handlers of signals are not called: as in a library that waits for a server."""

FORKS = f"""
import ctypes, os, sys, time
from luigi_tasks.processes import child_process

child_process.kill_forks_with_parent()
number = os.fork()
if number == 0:
    {WAITS_IN_C}
print(number, flush=True)
time.sleep(1000)
"""


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(number: int) -> None:
    until = time.monotonic() + 10
    while is_running(number):
        assert time.monotonic() < until, number
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_fork__is_killed_with_its_parent_whatever_it_waits_for(how):
    process = subprocess.Popen([sys.executable, "-c", FORKS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    fork = int(process.stdout.readline())
    assert is_running(fork)
    process.send_signal(how)
    process.wait()
    wait_until_gone(fork)


STARTS = """
import os, signal, sys
from pathlib import Path
from luigi_tasks.processes import child_process

def die_first(parent, number, original=child_process._end_with):
    os.kill(parent, signal.SIGKILL)
    while os.getppid() == parent:
        pass
    original(parent, number)

child_process._end_with = die_first
sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
child_process.start(sleep, os.environ, Path(sys.argv[1]))
"""


def test_child__whose_parent_ends_before_it_could_ask_for_that_ends_at_once(tmp_path):
    ended = subprocess.run([sys.executable, "-c", STARTS, str(tmp_path / "log")], check=False)
    assert ended.returncode == -signal.SIGKILL
    time.sleep(0.2)
    found = subprocess.run(["pgrep", "-f", "import time; time.sleep.1000.$"], capture_output=True, check=False)
    assert found.stdout == b""


def test_end_group__kills_what_does_not_hear_sigterm(tmp_path, monkeypatch):
    monkeypatch.setattr(child_process, "SECONDS_TO_END", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(1000)"
    child = child_process.start([sys.executable, "-c", deaf], os.environ, tmp_path / "log")
    while not (tmp_path / "log").read_text():
        time.sleep(0.02)
    child_process.end_group(child)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), ("exit 137", 137)]
)
def test_read_exit_code__of_a_child_that_nobody_has_waited_for(tmp_path, script, code):
    child = child_process.start(["/bin/sh", "-c", script], {}, tmp_path / "log")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child_process.read_exit_code(child.pid) == code
    child.wait()
    assert child_process.read_exit_code(child.pid) is None


def test_explain_kill__is_about_children_that_were_killed(tmp_path):
    assert child_process.explain_kill("dbt", "run", 143, tmp_path) is None
    assert child_process.explain_kill("dbt", "run", None, tmp_path) is None
    said = child_process.explain_kill("dbt", "run", 137, tmp_path)
    assert said is not None
    assert said.startswith("dbt was killed during run, as the kernel does when memory runs out; ")
