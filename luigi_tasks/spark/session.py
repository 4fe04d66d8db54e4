"""The Spark session of a run: a service (spark_jobs/session.py), started by spark-submit as luigi.cfg says."""

import tempfile
from functools import cache
from pathlib import Path
from typing import TypeVar

from luigi_tasks.errors import PipelineError
from luigi_tasks.processes.service_process import ServiceProcess, StartFailed
from luigi_tasks.runs import journal
from luigi_tasks.spark import known_errors, submit
from spark_jobs.messages import Tell
from spark_jobs.messages.exchange import Operation

NAME = "the Spark session"
SECONDS_TO_START = 120
"""Seconds that Spark may take to start for the doctor, on a machine with other work."""

Request = TypeVar("Request")
Result = TypeVar("Result")


def start() -> None:
    """Start the session in the background, unless it was started before."""
    _get_session().start()


def ask(operation: Operation[Request, Result], request: Request, tell: Tell) -> Result:
    """The result of an operation; `tell` hears of its progress.

    Raises PipelineError, in a sentence where the log tells why.
    """
    session = _get_session()
    try:
        return session.ask(operation, request, tell)
    except PipelineError as error:
        if explained := _explain(operation.name, error, session.log):
            raise PipelineError(explained) from error
        raise


def require_start() -> None:
    """Raise PipelineError where Spark does not start here. For that it is started, and ended."""
    submit.require_possible()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "spark.log"
        session = ServiceProcess(NAME, submit.build_command("session"), submit.make_environment(), log)
        try:
            session.wait_until_ready(SECONDS_TO_START)
        except PipelineError as error:
            session.end()
            explained = _explain("start of Spark", error, log) or str(error)
            raise PipelineError(explained.removesuffix(f"; the whole log: {log}")) from error
        session.close()


def _explain(job: str, error: PipelineError, log: Path) -> str | None:
    return known_errors.explain_start(log) if isinstance(error, StartFailed) else known_errors.explain(job, log)


@cache
def _get_session() -> ServiceProcess:
    submit.require_possible()
    log = journal.make_run_folder() / "spark.log"
    return ServiceProcess(NAME, submit.build_command("session"), submit.make_environment(), log)
