"""Progress of a stage: its start, how far it is, and its end, for the log, the run's journal and luigid."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from luigi_tasks import paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import journal, log_format
from luigi_tasks.runs.journal import StageProgress
from luigi_tasks.texts import count

SECONDS_BETWEEN_UPDATES = 1.0
"""How often the journal and luigid are updated, if there is something new."""
SECONDS_BETWEEN_LOG_LINES = 30.0
"""How often the log gets a line about a stage at work."""
SECONDS_FOR_LAST_UPDATE = 2.0
"""How long a stage that has ended waits for the last update to be written."""

logger = logging.getLogger(__name__)


class TrackedStage(Protocol):
    """What has to be known of a stage: what people call it with and without its batches, and these."""

    @property
    def kind(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def batches(self) -> list[str]: ...


class ProgressReporter:
    """How far a stage is. The stage calls `update`, and sets `rows` to the number of rows that it wrote."""

    def __init__(self, stage: TrackedStage, scope: str) -> None:
        self.rows: int | None = None
        self._stage = stage
        self._progress = StageProgress(stage.kind, stage.title, time.time(), 0, scope, None)

    def update(self, done: int, total: int, status: str, url: str | None = None) -> None:
        """Note that `done` of `total` is done, in words `status`; `url` is a page that shows more."""
        before = self._progress
        percent = max(before.percent, min(100, 100 * done // total if total else 0))
        self._progress = replace(before, percent=percent, status=status, url=url or before.url)

    @contextmanager
    def passed_on(self) -> Iterator[None]:
        """Pass updates on while the block lasts, in a thread of its own: a file that hangs does not delay the stage."""
        ended = threading.Event()
        thread = threading.Thread(target=self._pass_on_until, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(SECONDS_FOR_LAST_UPDATE)

    def _pass_on_until(self, ended: threading.Event) -> None:
        passed_on: StageProgress | None = None
        next_line = time.monotonic() + SECONDS_BETWEEN_LOG_LINES
        has_ended = False
        while not has_ended:
            has_ended = ended.is_set()
            progress = self._progress
            if progress != passed_on:
                with contextlib.suppress(OSError, PipelineError):  # the stage itself meets it, too
                    journal.append_event(progress)
                self._update_luigid(progress, None if passed_on and passed_on.url else progress.url)
                passed_on = progress
            if time.monotonic() >= next_line:
                logger.info("%s: %d %%, %s", progress.title, progress.percent, progress.status)
                next_line += SECONDS_BETWEEN_LOG_LINES
            ended.wait(SECONDS_BETWEEN_UPDATES)

    def _update_luigid(self, progress: StageProgress, url: str | None) -> None:
        """Update the dashboard, unless the stage runs without Luigi."""
        updates = {
            "set_progress_percentage": progress.percent,
            "set_status_message": progress.status,
            "set_tracking_url": url,
        }
        for name, value in updates.items():
            update = getattr(self._stage, name)
            if update and value is not None:
                update(value)


@contextmanager
def track_stage(stage: TrackedStage, scope: str) -> Iterator[ProgressReporter]:
    """Tell the log, the journal and luigid of a stage's start, progress and end; `scope` is what it is about."""
    started = time.monotonic()
    progress = ProgressReporter(stage, scope)
    journal.make_run_folder()
    log = paths.stage_log(run_id.get_run_id(), stage.kind)
    common = {"run": run_id.get_run_id(), "stage": stage.kind, "batches": stage.batches}
    with log_format.log_to_file(log, logging.getLogger("luigi_tasks"), stage.title, common):
        logger.info("%s: started, %s", stage.title, scope)
        try:
            with progress.passed_on():
                yield progress
                rows = "" if progress.rows is None else f"{count(progress.rows, 'row')}, "
                progress.update(1, 1, f"{rows}{time.monotonic() - started:.1f} s")
        except BaseException:
            _record_end(stage, scope, time.monotonic() - started, None, journal.FAILED)
            raise
        seconds = time.monotonic() - started
        logger.info("%s: done, %s%.1f s", stage.title, rows, seconds)
    _record_end(stage, scope, seconds, progress.rows, journal.DONE)


def _record_end(stage: TrackedStage, scope: str, seconds: float, rows: int | None, outcome: str) -> None:
    started = time.time() - seconds
    journal.append_event(
        journal.StageRecord(stage.kind, stage.batches, stage.title, scope, started, round(seconds, 2), rows, outcome)
    )
