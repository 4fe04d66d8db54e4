"""DbtRun and DbtTest: the star schema and the marts from raw_data, and their tests."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import luigi

from luigi_tasks import audit, child, config, fingerprints, journal, landing, markers, paths, warehouse
from luigi_tasks.checkpoints import BuiltFrom
from luigi_tasks.clean import Clean
from luigi_tasks.errors import PipelineError
from luigi_tasks.load import Load
from luigi_tasks.markers import Marker
from luigi_tasks.stage import Stage, timed
from spark_jobs.schemas import TABLES

ALL_BATCHES = ""
TESTS_FOLDER = "tests"
GENERATED = {"target", "logs", "dbt_packages", "__pycache__"}


class DbtRun(Stage):
    """Leaves staging, core and marts built from all that is loaded, and a marker that says from what."""

    batch = luigi.Parameter(default=ALL_BATCHES, description="only this batch is brought up to date before")

    def requires(self) -> dict[str, dict[str, Load]]:
        return {name: {table: Load(batch=name, table=table) for table in TABLES} for name in admitted(self.batch)}

    def output(self) -> Marker:
        return Marker("marts", "", self.built_from())

    def built_from(self) -> BuiltFrom:
        return {
            "inputs": fingerprints.of_value(markers.loaded("raw_data")),
            "code": fingerprints.of_files(_project_files(with_tests=False), paths.dbt_project()),
        }

    def target_stale(self) -> str | None:
        return self.output().why_stale()

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, "all models") as facts:
            warehouse.prepare()
            target = self.output()
            _dbt("run")
            facts["rows"] = sum(rows_of_models().values())
            with warehouse.transaction() as cursor:
                target.touch(cursor)


class DbtTest(Stage):
    """Leaves a marker that says which state of the marts passed all tests."""

    batch = luigi.Parameter(default=ALL_BATCHES, description="only this batch is brought up to date before")

    def requires(self) -> DbtRun:
        return self.clone(DbtRun)

    def output(self) -> Marker:
        return Marker("marts tested", "", self.built_from())

    def built_from(self) -> BuiltFrom:
        return {
            "inputs": fingerprints.of_value(self.requires().built_from()),
            "code": fingerprints.of_files(_project_files(with_tests=True), paths.dbt_project()),
        }

    def target_stale(self) -> str | None:
        return self.output().why_stale()

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, "all tests"):
            target = self.output()
            _dbt("test")
            with warehouse.transaction() as cursor:
                target.touch(cursor)


def admitted(batch: str) -> Iterable[str]:
    """The batches to load before dbt: all that lie in the landing folder, or the one, but those that are stopped."""
    names = [batch] if batch else landing.batches()
    return [name for name in names if Clean(batch=name).why_stale() or audit.verdict(name) is None]


def rows_of_models() -> dict[str, int]:
    """The rows of every table of core and marts."""
    with warehouse.reader().cursor() as cursor:
        cursor.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables "
            "where schemaname in ('core', 'marts') order by schemaname, tablename"
        )
        names = [name for (name,) in cursor.fetchall()]
        cursor.execute(" union all ".join(f"select '{name}', count(*) from {name}" for name in names))
        return dict(cursor.fetchall())


def _project_files(with_tests: bool) -> list[Path]:
    found = []
    for path in sorted(paths.dbt_project().rglob("*")):
        place = path.relative_to(paths.dbt_project()).parts
        is_source = path.is_file() and not GENERATED & set(place) and not path.name.startswith(".")
        if is_source and (with_tests or place[0] != TESTS_FOLDER):
            found.append(path)
    return found


def _dbt(command: str) -> None:
    log = journal.folder() / f"dbt_{command}.log"
    argv = [
        str(paths.program("dbt")),
        "--no-use-colors",
        command,
        "--project-dir",
        str(paths.dbt_project()),
        "--profiles-dir",
        str(paths.dbt_project()),
        "--target-path",
        str(paths.dbt_target()),
        "--log-path",
        str(journal.folder()),
        "--threads",
        str(config.read(config.dbt).threads),
    ]
    try:
        child.run(f"dbt {command}", argv, child.environment(**_connection()), log)
    except PipelineError as error:
        failed = [result for result in _results() if result["status"] in ("error", "fail")]
        if not failed:
            raise
        listed = "; ".join(f"{result['unique_id'].split('.', 2)[-1]}: {_message(result)}" for result in failed)
        raise PipelineError(f"dbt {command}: {len(failed)} failed: {listed}; the whole log: {log}") from error


def _message(result: dict[str, Any]) -> str:
    return " ".join((result.get("message") or result["status"]).split())[:300]


def _connection() -> dict[str, str]:
    """What the profile reads: the warehouse as libpq found it, so that its own defaults count here too."""
    info = warehouse.reader().info
    found = {"PGHOST": info.host, "PGPORT": str(info.port), "PGUSER": info.user, "PGDATABASE": info.dbname}
    return {"PGHOST": "localhost"} | warehouse.variables() | {name: value for name, value in found.items() if value}


def _results() -> list[dict[str, Any]]:
    path = paths.dbt_target() / "run_results.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []
