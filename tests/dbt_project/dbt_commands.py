"""Runs commands of dbt in the service of the pipeline, against the server of a test module."""

import json
from pathlib import Path

from luigi_tasks.dbt.messages import (
    INVOKE,
    LIST_MODELS,
    LIST_PUBLISHED_RELATIONS,
    InvokeRequest,
    Model,
    ModelsRequest,
    Relation,
    RelationsRequest,
)
from luigi_tasks.processes import child_process
from luigi_tasks.processes.service_process import ServiceProcess

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"


class Dbt:
    """`dbt run`, or another command, with further arguments."""

    def __init__(self, service: ServiceProcess, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self.target = folder / "target"
        self.variables: dict[str, object] = {}

    def __call__(self, *options: str, command: str = "run") -> None:
        log = self._folder / f"{command}.log"
        variables = ["--vars", json.dumps(self.variables)]
        request = InvokeRequest([command, "--threads", "4", *variables, *options], str(log), pgoptions="")
        assert self._service.ask(INVOKE, request).success, child_process.tail(log)

    def models(self) -> list[Model]:
        """What dbt builds."""
        return list(self._service.ask(LIST_MODELS, ModelsRequest()).models)

    def relations(self) -> list[Relation]:
        """What Publish publishes."""
        return list(self._service.ask(LIST_PUBLISHED_RELATIONS, RelationsRequest()).relations)
