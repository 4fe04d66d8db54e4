"""RunAll: what cron calls."""

import logging
from collections.abc import Iterable, Iterator

import luigi

from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import Stage, count_batches, list_stale
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.publish import Publish
from luigi_tasks.stages.registry import make_last_stages
from luigi_tasks.targets import landing

logger = logging.getLogger(__name__)


class RunAll(Stage):
    """Brings every batch of the landing folder, or one, up to date, then the marts, tested and published, the report on
    them, and their export, if there is a setting for one.

    Luigi is told of stale stages only: of a thousand batches, most have nothing to do. Once all are clean it is known
    which of them Audit stops. The others are loaded and go on to the marts; the Audits of the stopped ones fail, and
    the run with them.
    """

    reads_warehouse = False  # before it knows of something to clean: Spark then starts while the warehouse does

    def requires(self) -> list[Stage]:
        return list_stale(self._list_cleans())

    def run(self) -> Iterator[list[Stage]]:
        yield list_stale(self._list_stages_after_cleaning())

    def list_upstream(self) -> Iterable[Stage]:
        return [*self._list_newest_cleans_first(), *self._list_stages_after_cleaning()]

    def check_target(self) -> str | None:
        """It leaves nothing of its own."""
        return None

    def start_services(self) -> None:
        clean = next((clean for clean in self._list_newest_cleans_first() if clean.find_stale_reason()), None)
        publish = Publish(batch=self.batch)
        if clean:
            clean.start_services()
        if clean or publish.find_stale_reason():
            publish.start_services()
        list_stale(self._list_stages_after_cleaning())  # while these start: what is up to date is not asked again

    def list_batches(self) -> list[str]:
        """The batches that the run is about."""
        return [self.batch] if self.batch else landing.list_batches()

    def _list_cleans(self) -> list[Stage]:
        return [Clean(batch=name) for name in self.list_batches()]

    def _list_newest_cleans_first(self) -> list[Stage]:
        """The newest batch is the one that most likely has to be cleaned: what that needs starts at once."""
        return self._list_cleans()[::-1]

    def _list_stages_after_cleaning(self) -> list[Stage]:
        return [*(Audit(batch=name) for name in self.list_batches()), *make_last_stages(self.batch)]


@RunAll.event_handler(luigi.Event.DEPENDENCY_PRESENT)
@RunAll.event_handler(luigi.Event.SUCCESS)
def _log_up_to_date(run: RunAll) -> None:
    logger.info("RunAll: %s and the marts are up to date", count_batches(len(run.list_batches())))
