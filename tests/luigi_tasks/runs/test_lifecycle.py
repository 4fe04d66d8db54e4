"""How a run ends when it is told to."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from luigi_tasks.runs import worker

LOSES_IT = """
import os, signal, sys, time
from luigi_tasks.processes import child_process
from luigi_tasks.runs import signals

child_process.kill_forks_with_parent()
signals.handle_signals()
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.{name}))
if os.fork() == 0:
    os._exit(0)
time.sleep(5)
"""


def test_signal__is_not_lost_at_a_fork():
    for name, code in (("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)):
        ended = subprocess.run([sys.executable, "-c", LOSES_IT.format(name=name)], capture_output=True, check=False)
        assert (ended.returncode, ended.stderr) == (code, b"")


COMES_BEFORE_A_LOCK_IS_RELEASED = """
import os, signal, threading, time
from luigi_tasks.runs import signals

lock = threading.Lock()


def release():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0)  # where Python looks for signals
    lock.release()


os.register_at_fork(before=lock.acquire, after_in_parent=release)  # as logging does
signals.handle_signals()
if os.fork() == 0:
    os._exit(0)
try:
    time.sleep(5)
except SystemExit as told:
    os._exit(told.code if lock.acquire(timeout=1) else 1)
"""


def test_signal__at_a_fork_leaves_no_lock_taken():
    code = COMES_BEFORE_A_LOCK_IS_RELEASED
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=30)
    assert (ended.returncode, ended.stderr) == (143, b"")


CAUGHT_BY_A_LIBRARY = """
import os, signal
from luigi_tasks.runs import signals

signals.handle_signals()
try:
    os.kill(os.getpid(), signal.SIGINT)
except BaseException:
    pass
signals.exit_if_told()
"""


def test_signal__that_a_library_caught_counts_when_the_run_begins():
    ended = subprocess.run([sys.executable, "-c", CAUGHT_BY_A_LIBRARY], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"")


WAITS_IN_A_LIBRARY = """
import atexit, ctypes, os, signal, sys
from luigi_tasks.runs import signals

signals.SECONDS_TO_END = 0.5
signals.handle_signals()


def wait():
    print("waits", flush=True)
    ctypes.CDLL(None).system(b"exec sleep 1000")  # no handler of Python's is called meanwhile


if sys.argv[1] == "at the end":
    atexit.register(wait)
else:
    wait()
"""


@pytest.mark.parametrize("when", ["at work", "at the end"])
def test_signal__ends_a_run_in_time_that_waits_in_a_library(when):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS_IN_A_LIBRARY, when],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"waits\n"
    time.sleep(0.5)  # until it does
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    os.killpg(process.pid, signal.SIGKILL)  # with what it waited for
    said = b"the run did not end within 0.5 s of SIGTERM, and was killed; run again\n"
    assert (process.wait(), process.communicate()[1]) == (143, said)


def test_signal__ends_a_run_in_time_though_nobody_reads_what_it_says():
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS_IN_A_LIBRARY, "at work"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"waits\n"
    process.stderr.close()
    time.sleep(0.5)  # until it waits
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    os.killpg(process.pid, signal.SIGKILL)  # with what it waited for
    assert process.wait() == 143


HEARS_SIGHUP = "from luigi_tasks.runs import signals; import os; signals.handle_signals(); os.kill(os.getpid(), 1)"


@pytest.mark.parametrize(("before", "code"), [([], 129), (["nohup"], 0)])
def test_sighup__ends_a_run_unless_nohup_is_used(before, code):
    ended = subprocess.run([*before, sys.executable, "-c", HEARS_SIGHUP], capture_output=True, check=False)
    assert ended.returncode == code


def test_worker__that_is_deaf_to_sigterm_is_killed(monkeypatch):
    monkeypatch.setattr(worker, "SECONDS_TO_END", 0.5)
    deaf = multiprocessing.get_context("fork").Process(target=_be_deaf)
    deaf.start()
    time.sleep(0.3)
    began = time.monotonic()
    worker.end_processes([deaf])
    deaf.join()
    assert deaf.exitcode == -signal.SIGKILL
    assert 0.5 < time.monotonic() - began < 5


def _be_deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)
