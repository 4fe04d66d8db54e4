"""The kinds of stages in the order of the graph, as people see them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from luigi_tasks import paths
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.dbt_run import DbtRun
from luigi_tasks.stages.dbt_test import DbtTest
from luigi_tasks.stages.export import Export
from luigi_tasks.stages.extract import Extract
from luigi_tasks.stages.load import Load
from luigi_tasks.stages.publish import Publish
from luigi_tasks.stages.report import Report
from spark_jobs.schemas import TABLES


@dataclass(frozen=True)
class StageKind:
    """One kind of stage, as people see it: a line of the live view, an answer of explain."""

    name: str
    make: Callable[[str], Stage]
    """Makes the task of a batch; takes "" where a task is about all batches."""
    per_batch: bool
    is_optional: bool = False
    """Whether it is part of a run only where a setting asks for it."""


STAGES: tuple[StageKind, ...] = (
    StageKind("Extract", Extract, per_batch=True),
    StageKind("Clean", Clean, per_batch=True),
    StageKind("Audit", Audit, per_batch=True),
    *(StageKind(f"Load {table}", partial(Load, table=table), per_batch=True) for table in TABLES),
    StageKind("DbtRun", DbtRun, per_batch=False),
    StageKind("DbtTest", DbtTest, per_batch=False),
    StageKind("Publish", Publish, per_batch=False),
    StageKind("Report", Report, per_batch=False),
    StageKind("Export", Export, per_batch=False, is_optional=True),
)
"""All of them, in the order of the graph."""


def list_stage_kinds() -> list[StageKind]:
    """The kinds of stages that a run has, in the order of the graph: Export only where a folder for it is set."""
    return [kind for kind in STAGES if not kind.is_optional or paths.export()]


def make_last_stages(batch: str) -> list[Stage]:
    """The tasks that come after Publish, which requires the rest: Report, and Export where a folder for it is set."""
    return [Report(batch=batch), *([Export(batch=batch)] if paths.export() else [])]
