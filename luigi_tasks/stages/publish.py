"""Publish: what readers see of the marts changes here, all at once and after the tests."""

from collections.abc import Sequence
from functools import partial

from luigi_tasks import fingerprints, paths, warehouse
from luigi_tasks.dbt import runner
from luigi_tasks.dbt.messages import Relation
from luigi_tasks.dbt.publication import publish_touched, publish_whole, relations_exist
from luigi_tasks.dbt.selection import only_rows_changed
from luigi_tasks.stages.dbt_run import DbtStage
from luigi_tasks.stages.dbt_test import DbtTest
from luigi_tasks.stages.progress import Work, timed
from luigi_tasks.targets.checkpoint import BuiltFrom
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import change_queue


class Publish(DbtStage):
    """Leaves the schema marts as dbt built and tested it, and a marker that says from what, in one transaction.

    Rows are copied of those keys that were touched since it ran last; after a change of the code, and where no
    marker tells what is there, all of them.
    """

    def requires(self) -> DbtTest:
        return self.clone(DbtTest)

    def output(self) -> Marker:
        return Marker("marts", "", self.built_from())

    def built_from(self) -> BuiltFrom:
        run = self.requires().requires()
        return {**run.built_from(), "publish": fingerprints.of_modules(*paths.PUBLISH_CODE)}

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, "all marts") as work:
            relations = runner.list_published_relations()
            work.rows = warehouse.retried(self.title, partial(self._publish, relations, work))

    def _publish(self, relations: Sequence[Relation], work: Work) -> int:
        """The number of rows that were copied."""
        target = self.output()
        with warehouse.transaction() as cursor:
            rows_alone = only_rows_changed(target.recorded(), target.built_from)
            if rows_alone and not change_queue.everything_touched(cursor) and relations_exist(cursor, relations):
                copied = publish_touched(cursor, relations, work.tell)
            else:
                copied = publish_whole(cursor, relations, work.tell)
            change_queue.forget_touched(cursor)
            target.touch(cursor)
        return copied
