"""Scratch folders to measure in, of the pipeline with its settings and of the floor, each with its own server."""

import configparser
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import psycopg2

from bench import totals
from bench.measure import Measurement, measure
from bench.workload import Export
from luigi_tasks.run_id import VARIABLE
from luigi_tasks.warehouse.embedded.location import locate_cluster
from luigi_tasks.warehouse.embedded.server import EmbeddedPostgres, lease_server

REPOSITORY = Path(__file__).resolve().parent.parent
NOT_INHERITED = ("PG", "PYTHONPATH", "LUIGI_", "SOCIALMART_", "SPARK_", "DBT_")
"""What a shell may have set for another warehouse or run."""

OUTSIDE = "outside"
"""The seconds of a run in which no stage was at work: starting, checking, and the server's start and end."""

LAST_LINES = 30


class ChildFailed(Exception):
    """A measured child did not end in exit code 0."""


class Project:
    """A folder in which the pipeline runs, with the repository's luigi.cfg and dbt project, and nothing done yet."""

    def __init__(self, folder: Path) -> None:
        remove(folder)
        self.folder = folder
        self.dbt_project = folder / "dbt_project"
        self.landed: dict[str, Export] = {}
        (folder / "landing").mkdir(parents=True)
        shutil.copytree(
            REPOSITORY / "dbt_project", self.dbt_project, ignore=shutil.ignore_patterns("target", "logs", ".user.yml")
        )
        self._write_settings()
        self._runs = 0

    def land(self, export: Export) -> None:
        """Put an export's files into the landing folder, in place of an export of the same names."""
        _link(export, self.folder / "landing")
        self.landed[min(export.files)] = export

    def run(self) -> Measurement:
        """Run RunAll and check what the marts hold. `stages` is empty when there was nothing to do."""
        self._runs += 1
        run_id = f"run-{self._runs:04}"
        program = str(Path(sys.executable).parent / "luigi")
        log = self.folder / f"{run_id}.log"
        code, measured = measure(
            [program, "--module", "luigi_tasks", "RunAll"],
            self.folder,
            _environment(LUIGI_CONFIG_PATH=str(self.folder / "luigi.cfg"), **{VARIABLE: run_id}),
            log,
            locate_cluster((self.folder / "postgres").resolve()).data,
        )
        _require_success(code, log)
        expected = reduce(or_, (export.totals for export in self.landed.values())).expected()
        with server(self.folder / "postgres") as embedded:
            _check(f"pipeline, {run_id}", embedded.parameters, expected)
        journal = self.folder / "logs" / run_id / "journal.jsonl"
        events = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
        entries = [event for event in events if event["event"] == "finished"]
        return replace(measured, stages=stages(entries, measured.seconds))

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
    """Run the floor on an export in a fresh database of a running server, and check what its marts hold."""
    landing, log = folder / "landing", folder / "floor.log"
    remove(folder)
    landing.mkdir(parents=True)
    _link(export, landing)
    with server(folder / "postgres") as embedded:
        code, measured = measure(
            [sys.executable, "-m", "bench.floor", str(landing)],
            REPOSITORY,
            _environment(TMPDIR=str(folder), **embedded.parameters),
            log,
            embedded.folder / "cluster",
        )
        _require_success(code, log)
        _check("floor", embedded.parameters, export.totals.expected())
    return replace(measured, stages=json.loads(log.read_text(encoding="utf-8")))


def stages(journal: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """The seconds from the first start to the last end of each kind of stage, and those outside of them all."""
    if not journal:
        return {}
    spans: dict[str, tuple[float, float]] = {}
    inside, latest_end = 0.0, 0.0
    for entry in sorted(journal, key=lambda entry: entry["started"]):
        kind, start, end = entry["title"].split()[0], entry["started"], entry["started"] + entry["seconds"]
        first, last = spans.get(kind, (start, end))
        spans[kind] = (first, max(last, end))
        inside += max(end - max(start, latest_end), 0.0)
        latest_end = max(latest_end, end)
    return {kind: round(last - first, 2) for kind, (first, last) in spans.items()} | {
        OUTSIDE: round(seconds - inside, 2)
    }


def remove(folder: Path) -> None:
    """Delete a scratch folder and its cluster, which for root may live elsewhere."""
    postgres = folder / "postgres"
    if postgres.exists():
        shutil.rmtree(locate_cluster(postgres.resolve()).home)
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """The embedded server of a folder, for as long as the block lasts."""
    embedded = lease_server(folder)
    try:
        yield embedded
    finally:
        embedded.release()


def _check(what: str, parameters: dict[str, str], expected: dict[str, int]) -> None:
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    where: dict[str, Any] = {names[name]: value for name, value in parameters.items()}
    with closing(psycopg2.connect(**where)) as connection, connection.cursor() as cursor:
        totals.check(what, totals.of_warehouse(cursor), expected)


def _require_success(code: int, log: Path) -> None:
    if code:
        lines = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        raise ChildFailed(f"exit code {code}; the end of {log}:\n" + "\n".join(lines[-LAST_LINES:]))


def _link(export: Export, landing: Path) -> None:
    """Hard links: copies would fill the page cache. All files are read once, so that nobody finds a cold disk."""
    for name, path in export.files.items():
        (landing / name).unlink(missing_ok=True)
        os.link(path, landing / name)
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def _environment(**needed: str) -> dict[str, str]:
    """Our environment without what a shell may have set for another run, and with what the child needs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)} | needed
