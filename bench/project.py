"""Runs the pipeline, or the floor, in a scratch folder with a PostgreSQL server of its own, and checks its results."""

import configparser
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import psycopg2

from bench import totals
from bench.measure import Measurement, measure_child
from bench.workload import Export
from luigi_tasks.run_id import VARIABLE
from luigi_tasks.runs.journal import StageRecord, parse_events
from luigi_tasks.warehouse.embedded.location import locate_cluster
from luigi_tasks.warehouse.embedded.server import EmbeddedPostgres, lease_server

REPOSITORY = Path(__file__).resolve().parent.parent
NOT_INHERITED = ("PG", "PYTHONPATH", "LUIGI_", "SOCIALMART_", "SPARK_", "DBT_")
"""Prefixes of environment variables that a shell may have set for another warehouse or run."""

OUTSIDE = "outside"
"""Name of the seconds of a run outside of all stages: starting, checking, starting and stopping the server."""

LAST_LINES = 30
"""Lines of a failed child's log that are shown."""


class ChildFailed(Exception):
    """A measured child that did not end with exit code 0."""


class Project:
    """An empty folder for the pipeline, with the repository's settings and a copy of its dbt project."""

    def __init__(self, folder: Path) -> None:
        remove_folder(folder)
        self.folder = folder
        self.dbt_project = folder / "dbt_project"
        self.landed: dict[str, Export] = {}
        (folder / "landing").mkdir(parents=True)
        shutil.copytree(
            REPOSITORY / "dbt_project", self.dbt_project, ignore=shutil.ignore_patterns("target", "logs", ".user.yml")
        )
        self._write_settings()
        self._runs = 0

    def land_export(self, export: Export) -> None:
        """Put an export's files into the landing folder, replacing those of the same names."""
        _link_files(export, self.folder / "landing")
        self.landed[min(export.files)] = export

    def run_pipeline(self) -> Measurement:
        """Run RunAll, check the marts and return what it used; `stages` is empty if there was nothing to do."""
        self._runs += 1
        run_id = f"run-{self._runs:04}"
        program = str(Path(sys.executable).parent / "luigi")
        log = self.folder / f"{run_id}.log"
        code, measured = measure_child(
            [program, "--module", "luigi_tasks", "RunAll"],
            self.folder,
            _build_environment(LUIGI_CONFIG_PATH=str(self.folder / "luigi.cfg"), **{VARIABLE: run_id}),
            log,
            locate_cluster((self.folder / "postgres").resolve()).data,
        )
        _require_success(code, log)
        expected = reduce(or_, (export.totals for export in self.landed.values())).compute_expected()
        with open_server(self.folder / "postgres") as embedded:
            _check_marts(f"pipeline, {run_id}", embedded.parameters, expected)
        journal = self.folder / "logs" / run_id / "journal.jsonl"
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        finished = [event for event in parse_events(lines) if isinstance(event, StageRecord)]
        return replace(measured, stages=compute_stage_seconds(finished, measured.seconds))

    def _write_settings(self) -> None:
        settings = configparser.ConfigParser(interpolation=None)
        settings.read(REPOSITORY / "luigi.cfg", encoding="utf-8")
        settings["core"]["logging_conf_file"] = str(REPOSITORY / settings["core"]["logging_conf_file"])
        for section, key, name in (
            ("landing", "folder", "landing"),
            ("checkpoints", "folder", "checkpoints"),
            ("logs", "folder", "logs"),
            ("warehouse", "embedded_folder", "postgres"),
            ("dbt", "project", "dbt_project"),
        ):
            settings[section][key] = str(self.folder / name)
        with (self.folder / "luigi.cfg").open("w", encoding="utf-8") as file:
            settings.write(file)


def run_floor(folder: Path, export: Export) -> Measurement:
    """Run the floor on an export in a new database of a running server, check its marts and return what it used."""
    landing = folder / "landing"
    log = folder / "floor.log"
    remove_folder(folder)
    landing.mkdir(parents=True)
    _link_files(export, landing)
    with open_server(folder / "postgres") as embedded:
        code, measured = measure_child(
            [sys.executable, "-m", "bench.floor", str(landing)],
            REPOSITORY,
            _build_environment(TMPDIR=str(folder), **embedded.parameters),
            log,
            embedded.folder / "cluster",
        )
        _require_success(code, log)
        _check_marts("floor", embedded.parameters, export.totals.compute_expected())
    return replace(measured, stages=json.loads(log.read_text(encoding="utf-8")))


def compute_stage_seconds(finished: Sequence[StageRecord], seconds: float) -> dict[str, float]:
    """Return the seconds from the first start to the last end of each stage, and OUTSIDE, those outside of all.

    `seconds` are those of the whole run. The stages of all tables and batches with one name count as one.
    """
    if not finished:
        return {}
    spans: dict[str, tuple[float, float]] = {}
    inside = 0.0
    latest_end = 0.0
    for stage in sorted(finished, key=lambda stage: stage.started):
        name, start, end = stage.title.split()[0], stage.started, stage.started + stage.seconds
        first, last = spans.get(name, (start, end))
        spans[name] = (first, max(last, end))
        inside += max(end - max(start, latest_end), 0.0)
        latest_end = max(latest_end, end)
    by_stage = {name: round(last - first, 2) for name, (first, last) in spans.items()}
    return by_stage | {OUTSIDE: round(seconds - inside, 2)}


def remove_folder(folder: Path) -> None:
    """Delete a scratch folder and its PostgreSQL cluster, which for root may be outside the folder."""
    postgres = folder / "postgres"
    if postgres.exists():
        shutil.rmtree(locate_cluster(postgres.resolve()).home)
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def open_server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Run the embedded server of a folder during the block."""
    embedded = lease_server(folder)
    try:
        yield embedded
    finally:
        embedded.release()


def _check_marts(what: str, parameters: dict[str, str], expected: dict[str, int]) -> None:
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    where: dict[str, Any] = {names[name]: value for name, value in parameters.items()}
    with closing(psycopg2.connect(**where)) as connection, connection.cursor() as cursor:
        totals.check_totals(what, totals.read_warehouse(cursor), expected)


def _require_success(code: int, log: Path) -> None:
    if code:
        lines = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        raise ChildFailed(f"exit code {code}; the end of {log}:\n" + "\n".join(lines[-LAST_LINES:]))


def _link_files(export: Export, landing: Path) -> None:
    """Land files as hard links, since copies would fill the page cache, and read each once, so that all are cached."""
    for name, path in export.files.items():
        (landing / name).unlink(missing_ok=True)
        os.link(path, landing / name)
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def _build_environment(**needed: str) -> dict[str, str]:
    """Return our environment without variables for other runs, and with those that the child needs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)} | needed
