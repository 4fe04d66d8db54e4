"""DbtTest: the tests of data."""

from collections.abc import Sequence
from functools import partial

from luigi_tasks import paths, warehouse
from luigi_tasks.dbt import project, runner
from luigi_tasks.dbt.selection import TOUCHED_ONLY, choose_test_options
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.dbt_run import DbtRun
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue
from luigi_tasks.warehouse.schema_names import CANDIDATES

SIDE_BY_SIDE = "-c work_mem=64MB -c jit=off -c max_parallel_workers_per_gather=0"
"""Settings of PostgreSQL for queries of about a second, several at once."""
WHOLE_TABLES = f"{SIDE_BY_SIDE} -c random_page_cost=4"
"""The same for queries that read whole tables: the planner shall not walk through one in the order of an index."""


class DbtTest(Stage):
    """Leaves a marker that says which state of the candidates passed all tests of data.

    Unit tests of models are tests of the code; `make test` runs them.
    """

    def requires(self) -> DbtRun:
        return self.clone(DbtRun)

    def output(self) -> Marker:
        return Marker(f"{CANDIDATES} tested", "")

    def built_from(self) -> BuiltFrom:
        return {**self.requires().describe_build(), "tests": project.fingerprint_tests(paths.dbt_project())}

    def start_services(self) -> None:
        runner.dbt_service().start()

    def build(self, stale: Sequence["DbtTest"], progress: ProgressReporter) -> None:
        built_from = self.built_from()
        warehouse.retry_transaction(self.title, partial(self._run_tests, built_from, progress))
        self.write_and_mark(self.output(), built_from, lambda cursor: None)

    def _run_tests(self, built_from: BuiltFrom, progress: ProgressReporter) -> None:
        with warehouse.transaction() as cursor:
            everything = change_queue.is_everything_touched(cursor)
        options, variables = choose_test_options(self.output().read_built_from(), built_from, everything)
        settings = SIDE_BY_SIDE if variables == TOUCHED_ONLY else WHOLE_TABLES
        runner.run_dbt("test", ["--exclude-resource-type", "unit_test", *options], progress.update, settings, variables)

    def describe_scope(self, stale: Sequence["DbtTest"]) -> str:
        return "all tests"
