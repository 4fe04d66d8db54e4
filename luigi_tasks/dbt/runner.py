"""Runs dbt commands in the service that keeps dbt loaded, and says in a sentence why one failed."""

import sys
from collections.abc import Callable, Sequence
from functools import cache

from luigi_tasks import config, paths, warehouse
from luigi_tasks.dbt.messages import INVOKE, RELATIONS_OF_MARTS, InvokeRequest, NodeResult, RelationsRequest
from luigi_tasks.dbt.publication import Relation
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.processes.service_process import ServiceProcess
from luigi_tasks.runs import journal
from luigi_tasks.warehouse import server_errors


@cache
def dbt_service() -> ServiceProcess:
    """The process that runs dbt, for the whole run of the pipeline: started early, it is ready when it is asked."""
    argv = [sys.executable, "-m", "luigi_tasks.dbt.service", str(paths.dbt_project()), str(paths.dbt_target())]
    return ServiceProcess("dbt", argv, child_process.environment(**connection()), journal.make_run_folder() / "dbt.log")


def run_dbt(
    command: str, options: Sequence[str], tell: Callable[[int, int, str], None], settings: str = ""
) -> Sequence[NodeResult]:
    """The results of a dbt command. Raises PipelineError with all that failed, TransientError where the server did."""
    log = journal.make_run_folder() / f"dbt_{command}.log"
    arguments = [command, *options, "--threads", str(config.read_section(config.dbt).threads)]
    pgoptions = f"{warehouse.session_options()} {settings}"
    try:
        answer = dbt_service().ask(
            INVOKE,
            InvokeRequest(arguments, str(log), pgoptions),
            lambda progress: tell(progress.done, progress.total, progress.status),
        )
    except PipelineError as error:
        raise _explained(command, str(error)) from error
    if not answer.success:
        failed = [result for result in answer.results if result.status in ("error", "fail")]
        listed = "; ".join(f"{result.name}: {_message(result)}" for result in failed)
        raise _explained(command, f"{len(failed)} failed: {listed}; the whole log: {log}")
    return answer.results


def list_relations_of_marts() -> Sequence[Relation]:
    """What Publish has to publish, each after what it is made of."""
    return dbt_service().ask(RELATIONS_OF_MARTS, RelationsRequest()).relations


def _explained(command: str, failure: str) -> PipelineError:
    """A failure of dbt, by what it says of the server."""
    kind = server_errors.classify_text(failure)
    if kind and kind.is_transient:
        return server_errors.make_pipeline_error(f"dbt {command}: ", kind, failure)
    holders = f"; {warehouse.describe_lock_holders()}" if kind is server_errors.LOCKED else ""
    return PipelineError(f"dbt {command}: {failure}{holders}")


def _message(result: NodeResult) -> str:
    return " ".join((result.message or result.status).split())[:300]


def connection() -> dict[str, str]:
    """What the profile reads: the warehouse as libpq found it, so that its own defaults count here too."""
    info = warehouse.retry_transaction("dbt", warehouse.get_reader).info
    found = {"PGHOST": info.host, "PGPORT": str(info.port), "PGUSER": info.user, "PGDATABASE": info.dbname}
    named = {"PGHOST": "localhost", "PGAPPNAME": warehouse.application_name()}
    return named | warehouse.get_libpq_variables() | {name: value for name, value in found.items() if value}
