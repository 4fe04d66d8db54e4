"""Asks the dbt service to run commands, and says in a sentence why one failed."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from luigi_tasks import config, paths, warehouse
from luigi_tasks.dbt.messages import (
    COMPILE_QUERIES,
    INVOKE,
    LIST_MODELS,
    LIST_PUBLISHED_RELATIONS,
    InvokeRequest,
    Model,
    ModelsRequest,
    NodeResult,
    Relation,
    RelationsRequest,
)
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import environment
from luigi_tasks.processes.service_process import ServiceProcess
from luigi_tasks.runs import journal
from luigi_tasks.warehouse import server_errors


@cache
def dbt_service() -> ServiceProcess:
    """The process that runs dbt for all stages of a run; starting it early hides the seconds that dbt takes to load."""
    argv = [sys.executable, "-P", "-m", "luigi_tasks.dbt.service", str(paths.dbt_project()), str(paths.dbt_target())]
    return ServiceProcess("dbt", argv, make_environment(), journal.make_run_folder() / "dbt.log")


def project_variables() -> dict[str, object]:
    """The variables of dbt_project.yml that luigi.cfg sets. What is built depends on them."""
    return {
        "partial_users": config.read_section(config.quality).partial_users,
        "open_group_size": config.read_section(config.privacy).open_group_size,
    }


def run_dbt(
    command: str,
    options: Sequence[str],
    on_progress: Callable[[int, int, str], None],
    settings: str = "",
    variables: Mapping[str, object] = MappingProxyType({}),
) -> list[NodeResult]:
    """Run `dbt COMMAND OPTIONS` and return the result of every model or test.

    `settings` are further options of its PostgreSQL sessions, `variables` are set beside project_variables(). Raises
    PipelineError with all models and tests that failed, or TransientError if the reason was the server and a retry may
    help.
    """
    log = journal.make_run_folder() / f"dbt_{command}.log"
    threads = str(config.read_section(config.dbt).threads)
    request = InvokeRequest(
        arguments=[command, *options, "--threads", threads, "--vars", json.dumps({**project_variables(), **variables})],
        log=str(log),
        pgoptions=settings,
    )
    try:
        outcome = dbt_service().ask(
            INVOKE, request, lambda progress: on_progress(progress.done, progress.total, progress.status)
        )
    except PipelineError as error:
        raise _describe_failure(command, str(error)) from error
    if not outcome.success:
        failed = [result for result in outcome.results if result.status in ("error", "fail")]
        listed = "; ".join(f"{result.name}: {result.describe_failure()}" for result in failed)
        raise _describe_failure(command, f"{len(failed)} failed: {listed}; the whole log: {log}")
    return list(outcome.results)


def list_models() -> list[Model]:
    """The models of the project."""
    return list(dbt_service().ask(LIST_MODELS, ModelsRequest()).models)


def list_published_relations() -> list[Relation]:
    """The tables and views that readers need to have the marts, each after those it reads."""
    return list(dbt_service().ask(LIST_PUBLISHED_RELATIONS, RelationsRequest()).relations)


def compile_queries() -> Mapping[str, str]:
    """The queries from which dbt builds its tables from scratch, by the tables' names, parents first."""
    tables = ["--select", "config.materialized:table", "config.materialized:incremental"]
    request = InvokeRequest(
        arguments=["compile", "--full-refresh", *tables, "--vars", json.dumps(project_variables())],
        log=str(journal.make_run_folder() / "dbt_compile.log"),
        pgoptions="",
    )
    try:
        return dbt_service().ask(COMPILE_QUERIES, request).queries
    except PipelineError as error:
        raise _describe_failure("compile", str(error)) from error


def make_environment() -> dict[str, str]:
    """dbt's environment: libpq's variables lead it to the warehouse, with the name of its database, which dbt needs."""
    info = warehouse.retry_transaction("dbt", warehouse.get_reader).info
    variables = warehouse.get_libpq_variables() | {"PGDATABASE": info.dbname}
    return environment.make_environment(environment.DBT, config.read_section(config.dbt).environment, **variables)


def _describe_failure(command: str, failure: str) -> PipelineError:
    """The error to raise for a failure of dbt, by what it says about the server."""
    kind = server_errors.classify_text(failure)
    if kind and kind.is_transient:
        return server_errors.make_pipeline_error(f"dbt {command}: ", kind, failure)
    return PipelineError(f"dbt {command}: {failure}{warehouse.explain_error(kind)}")
