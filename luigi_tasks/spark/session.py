"""The Spark session of a run: a service (spark_jobs/session.py), started by spark-submit as luigi.cfg says."""

from functools import cache
from typing import TypeVar

from luigi_tasks.errors import PipelineError
from luigi_tasks.processes.service_process import ServiceProcess
from luigi_tasks.runs import journal
from luigi_tasks.spark import known_errors, submit
from spark_jobs.messages import Tell
from spark_jobs.messages.exchange import Operation

NAME = "the Spark session"

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
        if explained := known_errors.explain(operation.name, session.log):
            raise PipelineError(explained) from error
        raise


@cache
def _get_session() -> ServiceProcess:
    submit.require_possible()
    log = journal.make_run_folder() / "spark.log"
    return ServiceProcess(NAME, submit.build_command("session"), submit.make_environment(), log)
