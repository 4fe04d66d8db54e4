"""DbtTest: the tests of data."""

from functools import partial

from luigi_tasks import paths, warehouse
from luigi_tasks.dbt import project
from luigi_tasks.dbt.runner import run_dbt
from luigi_tasks.dbt.selection import TOUCHED_ONLY, choose_test_options
from luigi_tasks.stages.dbt_run import DbtRun, DbtStage
from luigi_tasks.stages.progress import Work, timed
from luigi_tasks.targets.checkpoint import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue
from luigi_tasks.warehouse.schema_names import CANDIDATES

SIDE_BY_SIDE = "-c work_mem=64MB -c jit=off -c max_parallel_workers_per_gather=0"
"""Settings of PostgreSQL for queries of about a second, several at once."""
WHOLE_TABLES = f"{SIDE_BY_SIDE} -c random_page_cost=4"
"""The same for those that read tables as a whole: no walk through one in the order of an index."""


class DbtTest(DbtStage):
    """Leaves a marker that says which state of the candidates passed all tests of data.

    Unit tests are of the code, and belong to `make test`.
    """

    def requires(self) -> DbtRun:
        return self.clone(DbtRun)

    def output(self) -> Marker:
        return Marker(f"{CANDIDATES} tested", "", self.built_from())

    def built_from(self) -> BuiltFrom:
        return {**self.requires().built_from(), "tests": project.fingerprint_tests(paths.dbt_project())}

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, "all tests") as work:
            target = self.output()
            warehouse.retried(self.title, partial(self._test, target, work))
            warehouse.retried(self.title, partial(_touch, target))

    def _test(self, target: Marker, work: Work) -> None:
        with warehouse.transaction() as cursor:
            everything = change_queue.everything_touched(cursor)
        options = choose_test_options(target.recorded(), target.built_from, everything)
        settings = SIDE_BY_SIDE if options == TOUCHED_ONLY else WHOLE_TABLES
        run_dbt("test", ["--exclude-resource-type", "unit_test", *options], work.tell, settings)


def _touch(target: Marker) -> None:
    with warehouse.transaction() as cursor:
        target.touch(cursor)
