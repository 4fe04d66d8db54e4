"""What the stages can ask the dbt service, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luigi_tasks.warehouse.schema_names import PUBLISHED
from spark_jobs.messages.exchange import Operation


@dataclass(frozen=True)
class InvokeRequest:
    """Run dbt with these arguments and append its output to the file `log`. `pgoptions` are added to its PGOPTIONS."""

    arguments: Sequence[str]
    log: str
    pgoptions: str


@dataclass(frozen=True)
class NodeResult:
    """How one model or test ended. `rows` are those it wrote; negative if the server did not count them."""

    name: str
    status: str
    message: str | None
    rows: int


@dataclass(frozen=True)
class InvokeResult:
    """Whether a command succeeded as a whole, and the result of every model or test it ran."""

    success: bool
    results: Sequence[NodeResult]


@dataclass(frozen=True)
class Relation:
    """A table or view to publish.

    `touched` says which rows an incremental run rebuilds, as in macros/touched.sql (None: all of them); `read_by` lists
    the columns by which readers look rows up.
    """

    schema: str
    name: str
    is_view: bool
    is_mart: bool
    touched: Mapping[str, str] | None
    read_by: Sequence[str]

    @property
    def candidate(self) -> str:
        """The relation that dbt built."""
        return f"{self.schema}.{self.name}"

    @property
    def published(self) -> str:
        """The relation behind the marts that readers see."""
        return f"{PUBLISHED}.{self.name}"


@dataclass(frozen=True)
class Model:
    """A model that dbt builds. `columns` are the types of its columns by name; empty where the project does not say."""

    schema: str
    name: str
    materialized: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class ModelsRequest:
    """List the models of the project."""


@dataclass(frozen=True)
class ModelsResult:
    """The models of the project."""

    models: Sequence[Model]


@dataclass(frozen=True)
class RelationsRequest:
    """List everything that readers need to have the marts."""


@dataclass(frozen=True)
class RelationsResult:
    """Everything that readers need to have the marts, each relation after those it reads."""

    relations: Sequence[Relation]


@dataclass(frozen=True)
class QueriesResult:
    """The queries of the models that are tables, by the tables' names with their schemas, parents first."""

    queries: Mapping[str, str]


INVOKE = Operation("invoke", InvokeRequest, InvokeResult)
LIST_MODELS = Operation("list_models", ModelsRequest, ModelsResult)
LIST_PUBLISHED_RELATIONS = Operation("list_published_relations", RelationsRequest, RelationsResult)
COMPILE_QUERIES = Operation("compile_queries", InvokeRequest, QueriesResult)
