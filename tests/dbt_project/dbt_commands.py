"""Runs commands of dbt in the service of the pipeline, against the server of a test module."""

from pathlib import Path

from luigi_tasks.dbt.messages import DbtCommand, DbtOutcome, PublishedRelations, Relation
from luigi_tasks.processes import child_process
from luigi_tasks.processes.service_process import Companion
from spark_jobs.messages import codec

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"


class Dbt:
    """`dbt run`, or another command, with further arguments."""

    def __init__(self, service: Companion, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self.target = folder / "target"

    def __call__(self, *options: str, command: str = "run") -> None:
        log = self._folder / f"{command}.log"
        request = DbtCommand([command, "--threads", "4", *options], str(log), "")
        outcome = codec.from_value(DbtOutcome, self._service.ask("invoke", vars(request)))
        assert outcome.success, child_process.tail(log)

    def relations(self) -> list[Relation]:
        """What Publish publishes."""
        answer = self._service.ask("relations_of_marts", {})
        return list(codec.from_value(PublishedRelations, answer).relations)
