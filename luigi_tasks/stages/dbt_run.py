"""DbtRun: the star schema and the candidates for the marts, from raw_data."""

import contextlib
import uuid
from collections.abc import Sequence
from functools import partial

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import fingerprints, paths, warehouse
from luigi_tasks.dbt import comparison, project, replacement, runner
from luigi_tasks.dbt.selection import BUILD, FULL_REFRESH, INPUTS, SETTINGS, choose_run_options
from luigi_tasks.errors import PipelineError
from luigi_tasks.stages import inspection
from luigi_tasks.stages.admission import list_admitted_batches
from luigi_tasks.stages.base import Stage, list_stale
from luigi_tasks.stages.load import Load
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets import marker
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue, layers, migrations, relation_states
from luigi_tasks.warehouse.schema_names import CANDIDATES
from spark_jobs.schemas import TABLES

UNFINISHED = "unfinished"
"""Stands for the inputs in the marker while dbt runs: what is left half done, the next attempt takes up again."""


class DbtRun(Stage):
    """Leaves staging, core and candidates built from all that is loaded, and a marker that says from what.

    What was loaded since the last run is taken in. After a change of the code, the models that changed and those that
    depend on them are rebuilt; everything is, where no marker tells what is there. Tables whose rows others may have
    changed are then compared with what their models select; if one differs, everything is rebuilt.
    """

    def requires(self) -> list[Stage]:
        return list_stale(self.list_upstream())

    def list_upstream(self) -> list[Stage]:
        return [Load(batch=name, table=table) for name in list_admitted_batches(self.batches) for table in TABLES]

    def output(self) -> Marker:
        return Marker(CANDIDATES, "")

    def built_from(self) -> BuiltFrom:
        folder = paths.dbt_project()
        return {
            INPUTS: fingerprints.of_value(marker.list_loads("raw_data")),
            "code": project.fingerprint_shared_files(folder),
            SETTINGS: fingerprints.of_value(runner.project_variables()),
            **project.fingerprint_models(folder),
        }

    def describe_build(self) -> BuiltFrom:
        """What the stages after it are built from: what this one is, and which build of it that was."""
        return {**self.built_from(), BUILD: self.output().read_content()}

    def check_target(self) -> str | None:
        return super().check_target() or inspection.find_suspicion(relation_states.BUILT_BY_DBT)

    def start_services(self) -> None:
        runner.dbt_service().start()

    def build(self, stale: Sequence["DbtRun"], progress: ProgressReporter) -> None:
        migrations.apply()
        build = self.output().read_content()
        if super().check_target():
            built_from = warehouse.retry_transaction(self.title, partial(self._run_dbt, progress))
            build = uuid.uuid4().hex
        else:
            built_from = self.built_from()
        if wrong := warehouse.retry_transaction(self.title, comparison.find_wrong_suspects):
            with warehouse.transaction() as cursor:
                inspection.record_findings(cursor, [inspection.describe_wrong_table(name) for name in wrong])
                self.output().clear(cursor)
            built_from = warehouse.retry_transaction(self.title, partial(self._run_dbt, progress))
            build = uuid.uuid4().hex
        self.write_and_mark(self.output(), built_from, self._conclude, lambda _: build)

    @staticmethod
    def _conclude(cursor: Cursor) -> None:
        change_queue.remove_taken(cursor)
        relation_states.forget(cursor, relation_states.BUILT_BY_DBT, gone_only=True)
        relation_states.accept_shapes(cursor, relation_states.BUILT_BY_DBT)

    def _run_dbt(self, progress: ProgressReporter) -> BuiltFrom:
        """Build what has to be built. Returns what it was built from."""
        models = runner.list_models()
        with warehouse.transaction() as cursor:
            for table in TABLES:
                change_queue.create_key_index(cursor, table)
            change_queue.take_changes(cursor)
            target, built_from = self.output(), self.built_from()
            before = target.read_built_from()
            options = choose_run_options(before, built_from)
            with layers.acting_as(cursor, layers.TRANSFORMER):
                replacement.prepare(cursor, models, full_refresh=FULL_REFRESH in options)
            if before and FULL_REFRESH not in options:
                target.touch(cursor, {**built_from, INPUTS: UNFINISHED})
            else:
                target.clear(cursor)
        try:
            results = runner.run_dbt("run", options, progress.update)
        except PipelineError:
            with contextlib.suppress(PipelineError):  # the run's own failure is the one to tell
                replacement.finish()
            raise
        replacement.finish()
        progress.rows = sum(max(result.rows, 0) for result in results)
        return built_from

    def describe_scope(self, stale: Sequence["DbtRun"]) -> str:
        return "all models"
