"""A stage at work: its start, how far it is, and its end, as the log, the run's journal and luigid are told of them."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import luigi

from luigi_tasks import paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import journal, log_format
from luigi_tasks.runs.journal import StageProgress
from luigi_tasks.stages.base import Stage

SECONDS_BETWEEN = 1.0
"""How often the journal and luigid are told, where there is something new."""
SECONDS_BETWEEN_LINES = 30.0
"""How often the log is."""
SECONDS_FOR_THE_END = 2.0
"""How long a stage that has ended waits for luigid to hear of it."""

Tell = Callable[[int, int, str], None]
"""Takes what is done of how much, and how to say it; see Work.tell."""

logger = logging.getLogger(__name__)


class Work:
    """What a stage is doing. `rows` is what came of it; whoever does the work sets it, and tells how far it is."""

    def __init__(self, stage: Stage, what: str) -> None:
        self.rows: int | None = None
        self._stage = stage
        self._progress = StageProgress(stage.kind, stage.title, time.time(), 0, what, None)
        self._luigid_answers = True

    def tell(self, done: int, total: int, status: str, url: str | None = None) -> None:
        """So much of it is done, in numbers and in words; and a page that shows more, if there is one."""
        before = self._progress
        percent = max(before.percent, min(100, 100 * done // total if total else 0))
        self._progress = replace(before, percent=percent, status=status, url=url or before.url)

    @contextmanager
    def passed_on(self) -> Iterator[None]:
        """Pass on what is told while the block lasts, beside the work, which is neither held up by it nor fails."""
        ended = threading.Event()
        beside = threading.Thread(target=self._keep_passing_on, args=(ended,), daemon=True)
        beside.start()
        try:
            yield
        finally:
            ended.set()
            beside.join(SECONDS_FOR_THE_END)

    def _keep_passing_on(self, ended: threading.Event) -> None:
        passed_on: StageProgress | None = None
        next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        has_ended = False
        while not has_ended:
            has_ended = ended.is_set()
            progress = self._progress
            if progress != passed_on:
                with contextlib.suppress(OSError, PipelineError):  # which the stage itself meets, too
                    journal.append_event(progress)
                self._tell_luigid(progress, None if passed_on and passed_on.url else progress.url)
                passed_on = progress
            if time.monotonic() >= next_line:
                logger.info("%s: %d %%, %s", progress.title, progress.percent, progress.status)
                next_line += SECONDS_BETWEEN_LINES
            ended.wait(SECONDS_BETWEEN)

    def _tell_luigid(self, progress: StageProgress, url: str | None) -> None:
        """Nothing where it does not answer, of which Luigi itself complains, or where a stage runs without Luigi."""
        said = {
            "set_progress_percentage": progress.percent,
            "set_status_message": progress.status,
            "set_tracking_url": url,
        }
        try:
            for name, what in said.items():
                tell = getattr(self._stage, name)
                if tell and what is not None and self._luigid_answers:
                    tell(what)
        except luigi.rpc.RPCError:
            self._luigid_answers = False


@contextmanager
def timed(stage: Stage, what: str) -> Iterator[Work]:
    """Tell of a stage's start, its progress and its end."""
    started = time.monotonic()
    work = Work(stage, what)
    journal.make_run_folder()
    log = paths.stage_log(run_id.get_run_id(), stage.kind)
    common = {"run": run_id.get_run_id(), "stage": stage.kind, "batches": stage.batches}
    with log_format.log_to_file(log, logging.getLogger("luigi_tasks"), common):
        logger.info("%s: started, %s", stage.title, what)
        try:
            with work.passed_on():
                yield work
                came_to = "" if work.rows is None else f"{work.rows:,} rows, "
                work.tell(1, 1, f"{came_to}{time.monotonic() - started:.1f} s")
        except BaseException:
            _write(stage, what, time.monotonic() - started, None, journal.FAILED)
            raise
        seconds = time.monotonic() - started
        logger.info("%s: done, %s%.1f s", stage.title, came_to, seconds)
    _write(stage, what, seconds, work.rows, journal.DONE)


def _write(stage: Stage, what: str, seconds: float, rows: int | None, outcome: str) -> None:
    journal.append_event(
        journal.StageRecord(
            stage.kind, stage.batches, stage.title, what, time.time() - seconds, round(seconds, 2), rows, outcome
        )
    )
