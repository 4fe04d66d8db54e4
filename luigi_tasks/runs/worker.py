"""Luigi's worker in a run: checks stages in its own process, ends its processes in bounded time, knows how it ended."""

import contextlib
import os
import signal
import time
from types import TracebackType
from typing import Any

import luigi
from luigi.execution_summary import LuigiRunResult, LuigiStatusCode
from luigi.retcodes import retcode
from luigi.worker import TaskProcess, Worker

from luigi_tasks.errors import SIGNALLED, PipelineError, describe_error, describe_signal
from luigi_tasks.processes import child_process
from luigi_tasks.runs import record, signals
from luigi_tasks.runs.scheduler import RunScheduler
from luigi_tasks.targets.stored_checkpoints import share_listings

SECONDS_TO_END = child_process.SECONDS_TO_END + 2
"""How long a stage may take to end after SIGTERM, before it is killed: it ends children of its own meanwhile."""
POLL_SECONDS = 0.02


class RunWorker(Worker):
    """Luigi's worker, which has the end of the run recorded."""

    def add(self, task: luigi.Task, multiprocess: bool = False, processes: int = 0) -> bool:
        """Schedule a task and all that it requires, always in this process: forks would each ask the same again."""
        with share_listings():
            return bool(super().add(task))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        end_processes([process for process in self._running_tasks.values() if process.is_alive()])
        code, reason = self._find_end(error)
        record.note_end(code, reason, self._describe_first_task())
        record.conclude_run_at_exit()  # again: before the warehouse is given up that the check of the stages has used
        if isinstance(self._scheduler, RunScheduler):
            self._scheduler.end_running(reason)
        return bool(super().__exit__(kind, error, traceback))

    def _find_end(self, error: BaseException | None) -> tuple[int, str]:
        """The exit code with which Luigi will end, and the reason where it is not 0."""
        codes: Any = retcode()
        received = signals.get_received()
        if received:
            return SIGNALLED + received, describe_signal(received)
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            return error.code, describe_error(error)
        if error is not None:
            return codes.unhandled_exception, describe_error(error)
        try:
            status = LuigiRunResult(self).status
        except PipelineError as failure:  # it asks stages again, and so will Luigi when this method has returned
            return codes.unhandled_exception, describe_error(failure)
        if status in (LuigiStatusCode.FAILED_AND_SCHEDULING_FAILED, LuigiStatusCode.SCHEDULING_FAILED):
            return codes.scheduling_error, "it is not known of all stages whether they are up to date; see the log"
        if status == LuigiStatusCode.FAILED:
            return codes.task_failed, "a stage failed; see the log"
        if status not in (LuigiStatusCode.SUCCESS, LuigiStatusCode.SUCCESS_WITH_RETRY) or not self._is_first_done():
            return codes.not_run, "it was told to start no more stages (SIGUSR1); run again"
        return 0, ""

    def _describe_first_task(self) -> str:
        """What Luigi was asked for: a stage, and its batch if it is about one."""
        task = self._scheduled_tasks.get(self._first_task)
        return f"{task.task_family} {getattr(task, 'batch', '')}".strip() if task else ""

    def _is_first_done(self) -> bool:
        """Whether the task that Luigi was asked for is complete."""
        done = {task.task_id for task, status, _ in self._add_task_history if status == luigi.task_status.DONE}
        return self._first_task in done


def end_processes(processes: list[TaskProcess]) -> None:
    """End the processes of stages: with SIGTERM, and those that wait for something and do not hear it with SIGKILL."""
    for process in processes:
        if process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
    until = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < until and any(process.is_alive() for process in processes):
        time.sleep(POLL_SECONDS)
    for process in processes:
        process.kill()
