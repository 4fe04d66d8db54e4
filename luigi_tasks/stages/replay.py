"""Replay: takes up rejected records again, after the landing file or the rule that rejected them was fixed."""

import logging
from collections.abc import Iterable, Iterator, Sequence

import luigi

from luigi_tasks import run_id, warehouse
from luigi_tasks.quality import quarantine, replay_outcome
from luigi_tasks.stages.admission import list_admitted_batches
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import BETWEEN_NAMES, Stage, count_batches, list_stale
from luigi_tasks.stages.clean import Clean
from luigi_tasks.stages.progress import track_stage
from luigi_tasks.stages.registry import make_last_stages
from luigi_tasks.targets import landing
from luigi_tasks.warehouse import migrations

logger = logging.getLogger(__name__)


class Replay(Stage):
    """Brings the batches that have rejected records up to date, and leaves in etl.replays what became of those.

    before = came_back + still_rejected + gone. A record is still rejected if one with its entity and text is, or else
    another of its file that was not rejected before (it, with a changed text); of the others as many are gone as the
    batch holds fewer records of the entity than before, what stood below a gone one first; the rest came back.

    What was rejected before stays in etl.replayed_records until it is compared: a batch that Audit stops, or a replay
    that is killed, is compared by a later one.
    """

    rule = luigi.Parameter(default="", description="only batches with records that broke this rule")

    def list_upstream(self) -> Iterable[Stage]:
        names = self._list_batches()
        return [*(Clean(batch=name) for name in names), *_list_marts(names)]

    def check_target(self) -> str | None:
        return "its records are not compared with those rejected before" if self._list_batches_to_compare() else None

    def start_services(self) -> None:
        for stage in list_stale(self.list_upstream()):
            stage.start_services()

    def run(self) -> Iterator[list[Stage]]:
        """Luigi calls this again from the start after each yield of stages that were stale."""
        names = self._list_batches()
        with quarantine.open_quarantine() as rejected:
            replay_outcome.remember_rejected(rejected, names)
        yield list_stale(Clean(batch=name) for name in names)
        yield list_stale(_list_marts(names))
        if to_compare := self._list_batches_to_compare():
            with track_stage(self, count_batches(len(to_compare))) as progress, quarantine.open_quarantine() as now:
                progress.rows = replay_outcome.compare_rejected(now, to_compare, run_id.get_run_id())
            logger.info(
                "%s:\n%s", self.title, replay_outcome.format_outcomes(replay_outcome.read_outcomes(run_id.get_run_id()))
            )
        stopped = set(names).difference(list_admitted_batches(names)) if names else set()
        yield [Audit(batch=name) for name in sorted(stopped)]  # which fail, and say why

    def _list_batches(self) -> list[str]:
        """The batches of the landing folder that have rejected records, or had some when a replay began."""
        landing.require_batches([self.batch] if self.batch else [])
        migrations.apply()
        with quarantine.open_quarantine() as rejected:
            quarantine.require_names(rejected, rule=self.rule)
            rejected.cursor.execute(
                f"select batch from (select batch, rules from {rejected.records} as records union all "
                "select batch, rules from etl.replayed_records) as records "
                f"where {quarantine.BATCH_AND_RULE} group by batch order by batch",
                {"batch": self.batch, "rule": self.rule},
            )
            return [name for (name,) in rejected.cursor.fetchall() if landing.find_entry(name)]

    def _list_batches_to_compare(self) -> list[str]:
        """The batches whose rejected records of before are remembered, and that are not stopped."""
        with warehouse.transaction() as cursor:
            cursor.execute("select distinct batch from etl.replayed_records")
            remembered = {name for (name,) in cursor.fetchall()}
        names = [name for name in self._list_batches() if name in remembered]
        return [*list_admitted_batches(names)] if names else []


def _list_marts(names: Sequence[str]) -> list[Stage]:
    return make_last_stages(BETWEEN_NAMES.join(names)) if names else []


@Replay.event_handler(luigi.Event.DEPENDENCY_PRESENT)
def _log_nothing_to_do(replay: Replay) -> None:
    records = quarantine.count_rejected(replay.batch, replay.rule).records
    stay = "record stays" if records == 1 else "records stay"
    logger.info("%s: nothing was fixed, %s %s rejected", replay.title, f"{records:,}", stay)
