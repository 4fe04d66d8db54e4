"""Compares the warehouse with what the pipeline loaded and built, and says what differs."""

import sys
from collections.abc import Iterator

from psycopg2.errors import UndefinedTable

from luigi_tasks import paths, warehouse
from luigi_tasks.cli.output import print_to_stderr
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import lock
from luigi_tasks.stages import inspection
from luigi_tasks.stages.inspection import Finding
from luigi_tasks.warehouse import audit_chain, project_claim

AT_ONCE = 1e-9
"""Days, for [warehouse] verify_days: rows that were compared before that are compared again."""


def list_damage() -> list[Finding]:
    """Everything that is not as the pipeline left it. Exits with code 10 while a run is at work."""
    lock.take_lock()
    return inspection.list_damage(_show_progress)


def _show_progress(done: int, total: int, status: str) -> None:
    if sys.stderr.isatty():
        print_to_stderr(status)


def list_lines(findings: list[Finding]) -> Iterator[tuple[str, str]]:
    """Lines for people, each with its style."""
    for finding in findings:
        yield f"{finding.relation}: {finding.found}; by the next run {finding.remedy}", "yellow"
    if not findings:
        yield "all rows of raw_data, core and the marts are as they were loaded and built", "green"


def take_over() -> str:
    """Claim the warehouse for this project. Returns what that means, in a sentence."""
    lock.take_lock()
    try:
        with warehouse.transaction() as cursor:
            project_claim.claim(cursor)
            audit_chain.append(cursor, audit_chain.TAKEN_OVER, **audit_chain.describe_operator())
    except UndefinedTable as error:
        raise PipelineError("the warehouse is nobody's yet; the first run of this project claims it") from error
    return (
        f"the warehouse belongs to the project with the checkpoints {paths.checkpoints()} now; its next run loads its "
        "own batches; those of the other project that have other names stay loaded"
    )
