"""Lifecycle of a run: what happens when it begins, and when work turns up."""

import importlib
import logging
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.interface import PidLockAlreadyTakenExit, core
from luigi.retcodes import retcode
from luigi.scheduler import Scheduler
from luigi.setup_logging import InterfaceLogging
from luigi.worker import Worker

from luigi_tasks import config, file_modes, paths, setting_faults, settings_files, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process, environment
from luigi_tasks.runs import lock, luigi_settings, notifications, record, scheduler
from luigi_tasks.runs.signals import exit_if_told, handle_signals
from luigi_tasks.runs.worker import RunWorker
from luigi_tasks.targets import checkpoint

logger = logging.getLogger(__name__)


class RunFactory(luigi.interface._WorkerSchedulerFactory):
    """What Luigi makes scheduler and worker with, once there is a stage: always the run's own scheduler."""

    def create_local_scheduler(self) -> Scheduler:
        """Make the scheduler of a run that Luigi would have schedule by itself."""
        return scheduler.RunScheduler()

    def create_remote_scheduler(self, url: str) -> Scheduler:
        """Make the same for a run that Luigi would have luigid schedule."""
        return scheduler.RunScheduler()

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> Worker:
        """Begin the run, if `luigi.build` and not the program `luigi` was called, and make its worker."""
        begin_run()
        try:
            return RunWorker(scheduler=scheduler, worker_processes=worker_processes)
        except OSError as error:
            fault = PipelineError(
                f"/dev/shm: Python makes no semaphores there ({error.strerror}), which a run needs; nothing was "
                "changed; make it writable, with some room, and run again"
            )
            if CmdlineParser.get_instance():
                _end_run(fault)
            raise fault from error


@cache
def prepare_run() -> None:
    """Have Luigi run stages our way. The first stage that the program `luigi` makes begins a run: it was asked for it.

    Anything else that makes stages, such as `socialmart explain`, begins no run.
    """
    luigi.interface._WorkerSchedulerFactory = RunFactory  # type: ignore[misc]
    if not CmdlineParser.get_instance():
        environment.require_utf8()
        return
    handle_signals()
    exit_if_told()
    settings_files.require_project()
    try:
        environment.require_utf8()
        luigi_settings.require_fitting_settings()
    except PipelineError as error:
        raise SystemExit(str(error)) from error
    InterfaceLogging.setup(core())  # Luigi itself does so a moment later
    try:
        begin_run()
    except lock.SilentRunError as error:
        logger.error("%s", error)
        notifications.send_alarm(str(error), config.read_section(config.notify).silent_hours)
        sys.exit(lock.SILENT_RUN)
    except PidLockAlreadyTakenExit:
        if reason := lock.describe_long_run():
            notifications.send_alarm(reason, lock.LONG_RUN_HOURS)
        raise
    except PipelineError as error:
        _end_run(error)


def _end_run(fault: PipelineError) -> NoReturn:
    """End the run before any stage is looked at, and have that recorded and told."""
    logger.error("%s", fault)
    record.note_end(retcode().scheduling_error, str(fault))
    record.conclude_run_at_exit()
    sys.exit(retcode().scheduling_error)


def begin_run() -> None:
    """Keep others out of what the run writes, take the run lock, clean up after killed runs, find luigid, and have the
    run recorded when it ends.

    Exits with code 10 where another run holds the lock. Raises PipelineError for a setting that is invalid.
    """
    setting_faults.require_valid_settings(*config.SECTIONS)
    file_modes.restrict_new_files()
    file_modes.prepare_places()
    if paths.uses_store():
        importlib.import_module("pyarrow.fs")  # which ends its connections at exit, after the run was concluded
    if lock.take_lock():
        child_process.kill_forks_with_parent()
        scheduler.find_luigid()
        checkpoint.clear_staging()
        record.conclude_run_at_exit()


def expect_work(start_services: Callable[[], None]) -> None:
    """Start what a stale stage will need, and keep the embedded warehouse up until the run ends.

    Only the process that began the run does so: its forked workers share what it started.
    """
    if lock.is_held():
        start_services()
        warehouse.hold_embedded()
        record.note_begin()
        record.conclude_run_at_exit()  # again, so that it happens before the warehouse and the services are given up
