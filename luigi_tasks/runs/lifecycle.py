"""Lifecycle of a run: what happens when it begins, and when work turns up."""

import logging
import sys
from collections.abc import Callable
from functools import cache

from luigi.cmdline_parser import CmdlineParser
from luigi.interface import core
from luigi.retcodes import retcode
from luigi.setup_logging import InterfaceLogging

from luigi_tasks import config, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import lock, record, scheduler
from luigi_tasks.runs.signals import exit_if_told, handle_signals
from luigi_tasks.targets import checkpoint

logger = logging.getLogger(__name__)


@cache
def begin_on_command_line() -> None:
    """Begin a run with the first task that the program `luigi` makes: the one that it was asked for.

    Anything else that makes tasks, such as `socialmart explain`, begins no run.
    """
    if not CmdlineParser.get_instance():
        return
    handle_signals()
    exit_if_told()
    config.require_exit_codes()
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
