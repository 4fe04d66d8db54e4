"""RunAll: what cron calls."""

import logging
from collections.abc import Iterable, Iterator

from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import Stage, stale
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.publish import Publish
from luigi_tasks.stages.report import Report
from luigi_tasks.targets import landing

logger = logging.getLogger(__name__)


class RunAll(Stage):
    """Brings every batch of the landing folder, or one, up to date, the marts after them, tested and published,
    and the report on these.

    Luigi is told of those stages that have something to do: of a thousand batches, most have not. Once all are clean
    it is known which of them Audit stops. The others are loaded and go on to the marts; the Audits of those fail, and
    the run with them.
    """

    def requires(self) -> list[Stage]:
        return stale(self._cleans())

    def run(self) -> Iterator[list[Stage]]:
        yield stale(self._after_cleaning())

    def upstream(self) -> Iterable[Stage]:
        return [*self._newest_first(), *self._after_cleaning()]

    def warm_up(self) -> None:
        clean = next((clean for clean in self._newest_first() if clean.why_stale()), None)
        publish = Publish(batch=self.batch)
        if clean:
            clean.warm_up()
        if clean or publish.why_stale():
            publish.warm_up()
        stale(self._after_cleaning())  # while these start: what is found up to date now is not asked again

    def target_stale(self) -> str | None:
        logger.info("RunAll: %s batches and the marts are up to date", f"{len(self._names()):,}")
        return None

    def _cleans(self) -> list[Stage]:
        return [Clean(batch=name) for name in self._names()]

    def _newest_first(self) -> list[Stage]:
        """The latest batch is most likely the one that has to be cleaned: what that needs starts at once."""
        return self._cleans()[::-1]

    def _after_cleaning(self) -> list[Stage]:
        return [*(Audit(batch=name) for name in self._names()), Report(batch=self.batch)]

    def _names(self) -> list[str]:
        return [self.batch] if self.batch else landing.list_batches()
