"""What the dbt service can be asked for, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from luigi_tasks.dbt.publication import Relation
from spark_jobs.messages.exchange import Operation


@dataclass(frozen=True)
class InvokeRequest:
    """Run dbt with `arguments`, its output added to the file `log`, and `pgoptions` for each of its sessions."""

    arguments: Sequence[str]
    log: str
    pgoptions: str


@dataclass(frozen=True)
class NodeResult:
    """What came of a model or a test; `rows` is the number of rows that it changed."""

    name: str
    status: str
    message: str | None
    rows: int


@dataclass(frozen=True)
class InvokeResult:
    """Whether a command of dbt succeeded, and what came of each model or test."""

    success: bool
    results: Sequence[NodeResult]


@dataclass(frozen=True)
class RelationsRequest:
    """List what has to be published of the marts."""


@dataclass(frozen=True)
class RelationsResult:
    """What has to be published, each after what it is made of."""

    relations: Sequence[Relation]


INVOKE = Operation("invoke", InvokeRequest, InvokeResult)
RELATIONS_OF_MARTS = Operation("relations_of_marts", RelationsRequest, RelationsResult)
