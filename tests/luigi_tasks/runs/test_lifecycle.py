"""How a run ends when it is told to."""

import subprocess
import sys

LOSES_IT = """
import os, signal, sys, time
from luigi_tasks.targets import checkpoint
from luigi_tasks.runs import lifecycle, lock

lock.take_lock = lambda: True
checkpoint.clear_staging = lambda: None
lifecycle.begin_run()
lifecycle.handle_signals()
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.{name}))
if os.fork() == 0:
    os._exit(0)
time.sleep(5)
"""


def test_signal__is_not_lost_at_a_fork():
    for name, code in (("SIGTERM", 143), ("SIGINT", 130)):
        ended = subprocess.run([sys.executable, "-c", LOSES_IT.format(name=name)], capture_output=True, check=False)
        assert (ended.returncode, ended.stderr) == (code, b"")
