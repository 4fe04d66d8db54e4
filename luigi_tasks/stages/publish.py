"""Publish: what readers see of the marts changes here, all at once and after the tests."""

from collections.abc import Sequence

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.dbt import runner
from luigi_tasks.dbt.publication import describe_code, publish_touched, publish_whole
from luigi_tasks.dbt.selection import only_rows_changed
from luigi_tasks.privacy.masks import read_masks
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.dbt_test import DbtTest
from luigi_tasks.stages.inspection import find_suspicion
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue, layers, relation_states
from luigi_tasks.warehouse.schema_names import MARTS


class Publish(Stage):
    """Leaves the schemas marts and marts_personal as dbt built and tested the marts, with masks and without, and a
    marker that says from what, in one transaction.

    The rows of the keys that were touched since the last time are copied; all rows after a change of the code, and
    where no marker tells what is there.
    """

    def requires(self) -> DbtTest:
        return self.clone(DbtTest)

    def output(self) -> Marker:
        return Marker(MARTS, "")

    def built_from(self) -> BuiltFrom:
        run = self.requires().requires()
        return {**run.describe_build(), **describe_code()}

    def check_target(self) -> str | None:
        return super().check_target() or find_suspicion(relation_states.PUBLISHED_SCHEMAS)

    def start_services(self) -> None:
        runner.dbt_service().start()

    def build(self, stale: Sequence["Publish"], progress: ProgressReporter) -> None:
        relations = runner.list_published_relations()
        target, built_from = self.output(), self.built_from()
        masks = read_masks()

        def publish(cursor: Cursor) -> int:
            rows_alone = only_rows_changed(target.read_built_from(), built_from)
            suspected = relation_states.list_suspicions(cursor, relation_states.PUBLISHED_SCHEMAS)
            rows_alone = rows_alone and not suspected and not change_queue.is_everything_touched(cursor)
            with layers.acting_as(cursor, layers.PUBLISHER):
                publish_relations = publish_touched if rows_alone else publish_whole
                copied = publish_relations(cursor, relations, progress.update, masks)
            change_queue.clear_touched_keys(cursor)
            return copied

        progress.rows = self.write_and_mark(target, built_from, publish)

    def describe_scope(self, stale: Sequence["Publish"]) -> str:
        return "all marts"
