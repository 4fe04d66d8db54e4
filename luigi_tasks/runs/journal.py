"""The journal of a run: a line of JSON an event, written by whichever process it happened in."""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from luigi_tasks import config, paths, run_id
from luigi_tasks.errors import PipelineError

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Entry:
    """A finished stage: what people call it with and without its batches, when it began (seconds since 1970), how long
    it took, and what it came to."""

    stage: str
    batches: Sequence[str]
    title: str
    what: str
    started: float
    seconds: float
    rows: int | None
    outcome: str


@dataclass(frozen=True)
class Failure:
    """A stage that failed, or of which it could not be found out whether it is up to date, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far a stage is that began then (seconds since 1970): in percent, in words; and where there is more to see."""

    stage: str
    title: str
    started: float
    percent: int
    status: str
    url: str | None


Event = Entry | Failure | Progress
KINDS: dict[str, type[Event]] = {"finished": Entry, "failure": Failure, "progress": Progress}
"""What the lines of a journal say of themselves as `event`."""


def folder() -> Path:
    """This run's folder of logs; older runs than are to be kept go when it is made.

    Raises PipelineError where it cannot be made.
    """
    place = paths.run_logs(run_id.current())
    if not place.exists():
        try:
            place.mkdir(parents=True)
        except OSError as error:
            raise PipelineError(
                f"logs folder {place.parent}: cannot be written ({error.strerror}); make it writable, or set "
                "[logs] folder in luigi.cfg"
            ) from error
        for path in paths.runs()[: -config.read(config.logs).keep_runs]:
            shutil.rmtree(path, ignore_errors=True)
    return place


def write(event: Event) -> None:
    """Add an event to the journal."""
    folder()
    kind = next(kind for kind, type_ in KINDS.items() if isinstance(event, type_))
    with paths.journal(run_id.current()).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": kind, **asdict(event)}) + "\n")


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """The events in lines of a journal."""
    for line in lines:
        fields = json.loads(line)
        yield KINDS[fields.pop("event")](**fields)


def read(run: str) -> list[Entry]:
    """The finished stages of a run, in the order in which they began."""
    return sorted((event for event in _events(run) if isinstance(event, Entry)), key=lambda entry: entry.started)


def failures(run: str) -> list[Failure]:
    """What failed in a run, in order."""
    return [event for event in _events(run) if isinstance(event, Failure)]


def _events(run: str) -> list[Event]:
    path = paths.journal(run)
    return list(parse(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []
