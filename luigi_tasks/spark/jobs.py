"""Extract and Clean, as stages ask for them: in the run's Spark session, or each by a spark-submit of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from luigi_tasks import config
from luigi_tasks.spark import session, submit
from spark_jobs.messages import CleanRequest, CleanResult, ExtractRequest, ExtractResult, JobProgress
from spark_jobs.messages.exchange import Operation
from spark_jobs.messages.operations import CLEAN, EXTRACT

Request = TypeVar("Request")
Result = TypeVar("Result")

TellStage = Callable[[int, int, str, str | None], None]
"""Takes a job's progress: done, total, status in words, and the address of Spark's page, if it has one."""


def warm_up() -> None:
    """Start in the background what the jobs need: the run's session, where it has one."""
    submit.require_possible()
    if _is_shared():
        session.start()


def run_extract(request: ExtractRequest, tell: TellStage) -> ExtractResult:
    """What was read of the request's batches. Raises PipelineError where Spark or the job fails."""
    return _run(EXTRACT, request, request.staging, tell)


def run_clean(request: CleanRequest, tell: TellStage) -> CleanResult:
    """What was written of the request's batches. Raises PipelineError where Spark or the job fails."""
    return _run(CLEAN, request, request.staging, tell)


def _run(operation: Operation[Request, Result], request: Request, staging: str, tell: TellStage) -> Result:
    """The result of a job, which reports its progress to the stage."""

    def report(progress: JobProgress) -> None:
        tell(progress.done, progress.total, progress.status, progress.url)

    if _is_shared():
        return session.ask(operation, request, report)
    return submit.run_once(operation, request, Path(staging), report)


def _is_shared() -> bool:
    return config.read_section(config.spark).session == submit.SHARED
