"""What a run begins with: its lock, its name, its scheduler, and how it answers signals."""

import signal
import sys
import threading
from functools import cache
from typing import Any

from luigi.cmdline_parser import CmdlineParser

from luigi_tasks import config, run_id
from luigi_tasks.runs import lock, record, scheduler
from luigi_tasks.targets import checkpoint

MOMENT = 0.05
"""Seconds until a signal that got lost comes again."""


def begin() -> None:
    """What a run has and its forked workers share: the lock and the run's name."""
    if lock.take_lock():
        checkpoint.clear_staging()
        record.conclude_run_at_exit()
        _heed_signals()
    run_id.get_run_id()


@cache
def begin_on_command_line() -> None:
    """With the first task that the program luigi makes, which is what it was asked for, a run begins."""
    if CmdlineParser.get_instance():
        config.require_exit_codes()
        _heed_signals()
        scheduler.choose_scheduler()


def _heed_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    sys.unraisablehook = _leave_after_all


def _leave(number: int, frame: object) -> None:
    """On SIGTERM and Ctrl-C end in good order: Luigi ends its workers, and they their children. What is ending ends."""
    if threading.main_thread().is_alive():  # no longer while functions registered with atexit are called
        sys.exit(128 + number)


def _leave_after_all(lost: Any) -> None:
    """Python drops what is raised in some places, such as the callbacks at a fork: raise it again a moment later."""
    if isinstance(lost.exc_value, SystemExit):
        code = lost.exc_value.code
        signal.signal(signal.SIGALRM, lambda number, frame: sys.exit(code))
        signal.setitimer(signal.ITIMER_REAL, MOMENT)
    else:
        sys.__unraisablehook__(lost)
