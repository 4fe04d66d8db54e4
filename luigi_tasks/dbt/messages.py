"""What the stages can ask the dbt service, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luigi_tasks.texts import format_line
from luigi_tasks.warehouse.schema_names import PUBLISHED
from spark_jobs.messages.exchange import Operation

CONTRACT = "This model has an enforced contract that failed."
"""How dbt's message about a broken contract begins; a table follows: column, type in the model, in the yml, reason."""
COLUMN_FAULTS = {
    "data type mismatch": "is {0}, should be {1}",
    "missing in definition": "is missing in the model",
    "missing in contract": "is missing in the yml file",
}
"""The reasons in that table, in words."""


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

    def describe_failure(self) -> str:
        """Return in one line why it failed: of a broken contract the columns, of anything else dbt's own words."""
        message = self.message or self.status
        if CONTRACT not in message:
            return format_line(" ".join(message.split()))
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in message.split("\n") if "|" in line]
        columns = ", ".join(
            f"{name}: {COLUMN_FAULTS.get(why, why).format(found, wanted)}" for name, found, wanted, why in rows[2:]
        )
        return format_line(f"does not fit its contract ({columns}); correct the model, or the columns in its yml file")


@dataclass(frozen=True)
class InvokeResult:
    """Whether a command succeeded as a whole, and the result of every model or test it ran."""

    success: bool
    results: Sequence[NodeResult]


@dataclass(frozen=True)
class Relation:
    """A table or view to publish.

    `touched` says which rows an incremental run rebuilds, as in macros/touched.sql (None: all of them); `read_by` lists
    the columns by which readers look rows up, `shown_in` the schemas in which they see it: none if it is no mart.
    """

    schema: str
    name: str
    is_view: bool
    shown_in: Sequence[str]
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
