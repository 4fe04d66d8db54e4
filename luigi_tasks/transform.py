"""DbtRun and DbtTest: the star schema and the candidates for the marts from raw_data, and their tests."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from luigi_tasks import (
    audit,
    child,
    config,
    database_errors,
    dbt_changes,
    dbt_project,
    fingerprints,
    journal,
    landing,
    layout,
    markers,
    paths,
    warehouse,
)
from luigi_tasks.audit import Audit
from luigi_tasks.checkpoints import BuiltFrom, changed
from luigi_tasks.clean import Clean
from luigi_tasks.companion import Companion
from luigi_tasks.dbt_project import CANDIDATES
from luigi_tasks.errors import PipelineError
from luigi_tasks.load import Load
from luigi_tasks.markers import Marker
from luigi_tasks.stage import Stage, one_check, stale
from luigi_tasks.work import Work, timed
from spark_jobs.schemas import TABLES

INPUTS = "inputs"
FULL_REFRESH = "--full-refresh"
UNFINISHED = "unfinished"
TOUCHED_ONLY = ["--vars", "{touched_only: true}"]
SIDE_BY_SIDE = "-c work_mem=64MB -c jit=off -c max_parallel_workers_per_gather=0"
"""Settings of PostgreSQL for queries of about a second, several at once."""
WHOLE_TABLES = f"{SIDE_BY_SIDE} -c random_page_cost=4"
"""The same for those that read tables as a whole: no walk through one in the order of an index."""


class DbtStage(Stage):
    """A stage that asks dbt, and whose target is a marker."""

    def target_stale(self) -> str | None:
        return self.output().why_stale()

    def warm_up(self) -> None:
        dbt_companion().start()


class DbtRun(DbtStage):
    """Leaves staging, core and candidates built from all that is loaded, and a marker that says from what.

    What was loaded since the last run is taken in; after a change of the code the models that changed are built
    anew, and those that depend on them; and everything is, where no marker tells what is there.
    """

    def requires(self) -> list[Stage]:
        return stale(self.upstream())

    def upstream(self) -> list[Stage]:
        return [Load(batch=name, table=table) for name in admitted(self.batches) for table in TABLES]

    def output(self) -> Marker:
        return Marker(CANDIDATES, "", self.built_from())

    def built_from(self) -> BuiltFrom:
        project = paths.dbt_project()
        return {
            INPUTS: fingerprints.of_value(markers.loaded("raw_data")),
            "code": dbt_project.common(project),
            **dbt_project.models(project),
        }

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, "all models") as work:
            layout.prepare()
            target, results = warehouse.retried(self.title, partial(self._build, work))
            work.rows = sum(max(result["rows"], 0) for result in results)
            warehouse.retried(self.title, partial(self._finish, target))

    def _build(self, work: Work) -> tuple[Marker, list[Mapping[str, Any]]]:
        """The marker of what was built, to be touched, and dbt's results."""
        with warehouse.transaction() as cursor:
            for table in TABLES:
                dbt_changes.index_raw_data(cursor, table)
            dbt_changes.take(cursor)
            target = self.output()
            before = target.recorded()
            options = refresh(before, target.built_from)
            target.clear(cursor)
            if before and FULL_REFRESH not in options:  # what is left half done, the next attempt takes up again
                Marker(CANDIDATES, "", {**target.built_from, INPUTS: UNFINISHED}).touch(cursor)
        return target, _dbt("run", options, work)

    def _finish(self, target: Marker) -> None:
        with warehouse.transaction() as cursor:
            dbt_changes.forget(cursor)
            target.touch(cursor)


class DbtTest(DbtStage):
    """Leaves a marker that says which state of the candidates passed all tests of data.

    Unit tests are of the code, and belong to `make test`.
    """

    def requires(self) -> DbtRun:
        return self.clone(DbtRun)

    def output(self) -> Marker:
        return Marker(f"{CANDIDATES} tested", "", self.built_from())

    def built_from(self) -> BuiltFrom:
        return {**self.requires().built_from(), "tests": dbt_project.tests(paths.dbt_project())}

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, "all tests") as work:
            target = self.output()
            warehouse.retried(self.title, partial(self._test, target, work))
            warehouse.retried(self.title, partial(_touch, target))

    def _test(self, target: Marker, work: Work) -> None:
        with warehouse.transaction() as cursor:
            everything = dbt_changes.everything_touched(cursor)
        options = to_test(target.recorded(), target.built_from, everything)
        settings = SIDE_BY_SIDE if options == TOUCHED_ONLY else WHOLE_TABLES
        _dbt("test", ["--exclude-resource-type", "unit_test", *options], work, settings)


def _touch(target: Marker) -> None:
    with warehouse.transaction() as cursor:
        target.touch(cursor)


def refresh(before: BuiltFrom | None, now: BuiltFrom) -> list[str]:
    """How dbt has to run: where only rows were loaded, views are as they were; else all models are built anew, or
    those that changed and what depends on them."""
    names = _changed(before, now)
    if only_rows_changed(before, now):
        return ["--exclude", "config.materialized:view"]
    if names & {INPUTS, "code"}:
        return [FULL_REFRESH]
    return [FULL_REFRESH, "--select", *(f"{name}+" for name in sorted(names))]


def to_test(before: BuiltFrom | None, now: BuiltFrom, everything: bool) -> list[str]:
    """What dbt has to test: all, or what a changed model reaches.

    Tests that look at single rows need not look at those that were published before, unless `everything` was touched.
    """
    names = _changed(before, now)
    if only_rows_changed(before, now):
        return [] if everything else TOUCHED_ONLY
    if names & {INPUTS, "code", "tests"}:
        return []
    return ["--select", *(f"{name}+" for name in sorted(names))]


def only_rows_changed(before: BuiltFrom | None, now: BuiltFrom) -> bool:
    """Whether a target was built by the same code from other rows."""
    return _changed(before, now) == {INPUTS}


def _changed(before: BuiltFrom | None, now: BuiltFrom) -> set[str]:
    return set(changed(before or {}, now))


def admitted(batches: Sequence[str]) -> Sequence[str]:
    """The batches to load before dbt: all that lie in the landing folder, or these, but those that are stopped."""
    with one_check(batches):
        return [name for name in batches or landing.batches() if _is_admitted(name)]


def _is_admitted(batch: str) -> bool:
    """What Audit has passed is; what is not clean yet, too, until it is known how Audit ends."""
    if Audit(batch=batch).why_stale() is None or Clean(batch=batch).why_stale():
        return True
    return audit.verdict(batch) is None


@cache
def dbt_companion() -> Companion:
    """The process that runs dbt, for the whole run of the pipeline: started early, it is ready when it is asked."""
    argv = [sys.executable, "-m", "luigi_tasks.dbt_service", str(paths.dbt_project()), str(paths.dbt_target())]
    return Companion("dbt", argv, child.environment(**connection()), journal.folder() / "dbt.log")


def _dbt(command: str, options: Sequence[str], work: Work, settings: str = "") -> list[Mapping[str, Any]]:
    """The results of a dbt command. Raises PipelineError with all that failed, TransientError where the server did."""
    log = journal.folder() / f"dbt_{command}.log"
    arguments = [command, *options, "--threads", str(config.read(config.dbt).threads)]
    pgoptions = f"{warehouse.session_options()} {settings}"
    try:
        request = {"arguments": arguments, "log": str(log), "pgoptions": pgoptions}
        answer = dbt_companion().ask("invoke", request, work.tell)
    except PipelineError as error:
        raise _explained(command, str(error)) from error
    if not answer["success"]:
        failed = [result for result in answer["results"] if result["status"] in ("error", "fail")]
        listed = "; ".join(f"{result['name']}: {_message(result)}" for result in failed)
        raise _explained(command, f"{len(failed)} failed: {listed}; the whole log: {log}")
    return answer["results"]


def _explained(command: str, failure: str) -> PipelineError:
    """A failure of dbt, by what it says of the server."""
    kind = database_errors.kind_of_text(failure)
    if kind and kind.is_transient:
        return database_errors.as_pipeline_error(f"dbt {command}: ", kind, failure)
    holders = f"; {warehouse.lock_holders()}" if kind is database_errors.LOCKED else ""
    return PipelineError(f"dbt {command}: {failure}{holders}")


def _message(result: Mapping[str, Any]) -> str:
    return " ".join((result["message"] or result["status"]).split())[:300]


def connection() -> dict[str, str]:
    """What the profile reads: the warehouse as libpq found it, so that its own defaults count here too."""
    info = warehouse.retried("dbt", warehouse.reader).info
    found = {"PGHOST": info.host, "PGPORT": str(info.port), "PGUSER": info.user, "PGDATABASE": info.dbname}
    named = {"PGHOST": "localhost", "PGAPPNAME": warehouse.application_name()}
    return named | warehouse.variables() | {name: value for name, value in found.items() if value}
