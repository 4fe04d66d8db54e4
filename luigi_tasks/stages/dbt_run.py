"""DbtRun: the star schema and the candidates for the marts, from raw_data."""

from functools import partial

from luigi_tasks import fingerprints, paths, warehouse
from luigi_tasks.dbt import project, runner
from luigi_tasks.dbt.messages import NodeResult
from luigi_tasks.dbt.selection import FULL_REFRESH, INPUTS, choose_run_options
from luigi_tasks.stages.admission import admitted
from luigi_tasks.stages.base import Stage, stale
from luigi_tasks.stages.load import Load
from luigi_tasks.stages.progress import Work, timed
from luigi_tasks.targets import marker
from luigi_tasks.targets.checkpoint import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue, migrations
from luigi_tasks.warehouse.schema_names import CANDIDATES
from spark_jobs.schemas import TABLES

UNFINISHED = "unfinished"


class DbtStage(Stage):
    """A stage that asks dbt, and whose target is a marker."""

    def target_stale(self) -> str | None:
        return self.output().why_stale()

    def warm_up(self) -> None:
        runner.dbt_service().start()


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
        folder = paths.dbt_project()
        return {
            INPUTS: fingerprints.of_value(marker.loaded("raw_data")),
            "code": project.fingerprint_shared_files(folder),
            **project.fingerprint_models(folder),
        }

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, "all models") as work:
            migrations.prepare()
            target, results = warehouse.retried(self.title, partial(self._build, work))
            work.rows = sum(max(result.rows, 0) for result in results)
            warehouse.retried(self.title, partial(self._finish, target))

    def _build(self, work: Work) -> tuple[Marker, list[NodeResult]]:
        """The marker of what was built, to be touched, and dbt's results."""
        with warehouse.transaction() as cursor:
            for table in TABLES:
                change_queue.index_raw_data(cursor, table)
            change_queue.take(cursor)
            target = self.output()
            before = target.recorded()
            options = choose_run_options(before, target.built_from)
            target.clear(cursor)
            if before and FULL_REFRESH not in options:  # what is left half done, the next attempt takes up again
                Marker(CANDIDATES, "", {**target.built_from, INPUTS: UNFINISHED}).touch(cursor)
        return target, runner.run_dbt("run", options, work.tell)

    def _finish(self, target: Marker) -> None:
        with warehouse.transaction() as cursor:
            change_queue.forget(cursor)
            target.touch(cursor)
