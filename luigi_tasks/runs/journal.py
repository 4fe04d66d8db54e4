"""The journal of a run: JSON Lines, one event per line, appended by whichever process it happened in."""

import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from luigi_tasks import config, paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.texts import format_line

logger = logging.getLogger(__name__)

DONE = "done"
FAILED = "failed"


@dataclass(frozen=True)
class StageRecord:
    """A stage that ended.

    `stage` is its name without batches, `title` with them, `what` the work it had ("3 batches"); `started` is in
    seconds since 1970; `rows` is None where rows are not counted; `outcome` is DONE or FAILED.
    """

    stage: str
    batches: Sequence[str]
    title: str
    what: str
    started: float
    seconds: float
    rows: int | None
    outcome: str


@dataclass(frozen=True)
class StageFailure:
    """A stage that failed, or whose check failed, and the reason."""

    title: str
    reason: str

    def describe(self, longest: int) -> str:
        """Return both in one line, of at most about `longest` characters."""
        return format_line(f"{self.title}: {' '.join(self.reason.removeprefix(f'{self.title}: ').split())}", longest)


@dataclass(frozen=True)
class StageProgress:
    """How far a running stage is, in percent and in words; `url` is a page with details, if there is one.

    `started` is in seconds since 1970.
    """

    stage: str
    title: str
    started: float
    percent: int
    status: str
    url: str | None


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: its exit code, the reason if that is not 0, and what Luigi was asked for ("Extract 2026-11-23").

    `task` is empty if the run ended before it began to work. `anchor` is that of the audit chain; empty where the end
    was not entered there.
    """

    code: int
    reason: str
    task: str
    anchor: str = ""


Event = StageRecord | StageFailure | StageProgress | RunEnd
EVENT_TYPES: dict[str, type[Event]] = {
    "finished": StageRecord,
    "failure": StageFailure,
    "progress": StageProgress,
    "run_ended": RunEnd,
}
"""The type of an event by the field `event` of its line."""


def make_run_folder() -> Path:
    """Return this run's log folder. Creating it deletes those of old runs, as [logs] keep_runs says.

    Raises PipelineError if it cannot be created.
    """
    folder = paths.run_logs(run_id.get_run_id())
    if not os.path.isdir(folder):  # noqa: PTH112  # False, too, where the logs folder may not be entered
        try:
            folder.mkdir(parents=True, exist_ok=True)  # another worker may be faster
        except OSError as error:
            raise PipelineError(
                f"logs folder {folder.parent}: cannot be written ({error.strerror}); make it writable, or set "
                "[logs] folder in luigi.cfg"
            ) from error
        for path in paths.runs()[: -config.read_section(config.logs).keep_runs]:
            shutil.rmtree(path, ignore_errors=True)
    return folder


def append_event(event: Event) -> None:
    """Append an event to this run's journal. Raises PipelineError if its folder cannot be created.

    What the event is about has happened: a journal that cannot take it is warned of, and the run goes on.
    """
    make_run_folder()
    name = next(name for name, event_type in EVENT_TYPES.items() if isinstance(event, event_type))
    line = json.dumps({"event": name, **asdict(event)}) + "\n"
    try:
        with paths.journal(run_id.get_run_id()).open("ab", buffering=0) as file:
            file.write(line.encode())
    except OSError as error:
        _warn_of_journal(str(error.strerror))


@cache
def _warn_of_journal(reason: str) -> None:
    logger.warning(
        "logs folder %s: the journal of this run cannot be written (%s); the run goes on, and socialmart summary will "
        "not know all of it; make room there",
        paths.logs(),
        reason,
    )


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events in lines of a journal. A line that was cut off when the disk was full is passed over."""
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        yield EVENT_TYPES[fields.pop("event")](**fields)


def read_finished_stages(run: str) -> list[StageRecord]:
    """Return the stages of a run that ended, in the order in which they started."""
    return sorted(
        (event for event in _read_events(run) if isinstance(event, StageRecord)), key=lambda stage: stage.started
    )


def read_failures(run: str) -> list[StageFailure]:
    """Return the failures of a run, in order."""
    return [event for event in _read_events(run) if isinstance(event, StageFailure)]


def read_end(run: str) -> RunEnd | None:
    """Return how a run ended. None: it is still at work, was killed, or did nothing and left no journal."""
    return next((event for event in reversed(_read_events(run)) if isinstance(event, RunEnd)), None)


def _read_events(run: str) -> list[Event]:
    """The events of a run's journal; none where there is none, or it may not be read."""
    try:
        lines = paths.journal(run).read_text(encoding="utf-8").split("\n")
    except OSError:
        return []
    return list(parse_events(line for line in lines if line))
