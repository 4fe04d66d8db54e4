"""How a run ends when it is told to."""

import subprocess
import sys

LOSES_IT = """
import os, signal, sys, time
from luigi_tasks.targets import checkpoint
from luigi_tasks.runs import lifecycle, lock, signals

lock.take_lock = lambda: True
checkpoint.clear_staging = lambda: None
lifecycle.begin_run()
signals.handle_signals()
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.{name}))
if os.fork() == 0:
    os._exit(0)
time.sleep(5)
"""


def test_signal__is_not_lost_at_a_fork():
    for name, code in (("SIGTERM", 143), ("SIGINT", 130)):
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
