"""Lifecycle of a run: what happens when it begins, when work turns up, and when it is told to end."""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from luigi.cmdline_parser import CmdlineParser
from luigi.interface import core
from luigi.retcodes import retcode
from luigi.setup_logging import InterfaceLogging

from luigi_tasks import config, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import lock, record, scheduler
from luigi_tasks.targets import checkpoint

SECONDS_TO_RAISE_AGAIN = 0.05
"""How long after Python dropped an exit it is raised again: long enough to be out of the callback that dropped it."""

logger = logging.getLogger(__name__)


@cache
def begin_on_command_line() -> None:
    """Begin a run with the first task that the program `luigi` makes: the one that it was asked for.

    Anything else that makes tasks, such as `socialmart explain`, begins no run.
    """
    if not CmdlineParser.get_instance():
        return
    config.require_exit_codes()
    handle_signals()
    scheduler.choose_scheduler()
    InterfaceLogging.setup(core())  # Luigi itself does so a moment later
    try:
        begin_run()
    except PipelineError as error:
        logger.error("%s", error)
        sys.exit(retcode().scheduling_error)


def begin_run() -> None:
    """Take the run lock, clean up after killed runs, and have the run recorded when it ends.

    Exits with code 10 where another run holds the lock.
    """
    if lock.take_lock():
        checkpoint.clear_staging()
        record.conclude_run_at_exit()
    run_id.get_run_id()


def expect_work(start_services: Callable[[], None]) -> None:
    """Start what a stale stage will need, and keep the embedded warehouse up until the run ends.

    Only the process that began the run does so: its forked workers share what it started.
    """
    if lock.is_held():
        start_services()
        warehouse.hold_embedded()
        record.conclude_run_at_exit()  # again, so that it happens before the warehouse and the services are given up


def handle_signals() -> None:
    """Have SIGTERM and Ctrl-C end the run in good order: Luigi ends its workers, and they their children."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    sys.unraisablehook = _exit_again


def _exit(number: int, frame: object) -> None:
    if threading.main_thread().is_alive():  # no longer while functions registered with atexit are called
        sys.exit(128 + number)


def _exit_again(lost: Any) -> None:
    """Raise again, a moment later, an exit that Python dropped: it does in some places, such as callbacks at a fork."""
    if isinstance(lost.exc_value, SystemExit):
        code = lost.exc_value.code
        signal.signal(signal.SIGALRM, lambda number, frame: sys.exit(code))
        signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_RAISE_AGAIN)
    else:
        sys.__unraisablehook__(lost)
