"""The journal of a run: one line of JSON a finished stage, written by whichever process ran it."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from luigi_tasks import config, paths

RUN_ID = "SOCIALMART_RUN_ID"
"""Environment variable: forked and started children belong to their parent's run."""


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


def run_id() -> str:
    """This run's name, the time at which it began."""
    return os.environ.setdefault(RUN_ID, f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}")


def folder() -> Path:
    """This run's folder of logs; older runs than are to be kept go when it is made."""
    place = paths.run_logs(run_id())
    if not place.exists():
        place.mkdir(parents=True)
        for path in paths.runs()[: -config.read(config.logs).keep_runs]:
            shutil.rmtree(path, ignore_errors=True)
    return place


def write(entry: Entry) -> None:
    """Add a finished stage to the journal."""
    folder()
    with paths.journal(run_id()).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry)) + "\n")


def fail(failure: Failure) -> None:
    """Add a failure to those of the run."""
    folder()
    with paths.failures(run_id()).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(failure)) + "\n")


def failures(run: str) -> list[Failure]:
    """What failed in a run, in order."""
    path = paths.failures(run)
    if not path.exists():
        return []
    return [Failure(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def read(run: str) -> list[Entry]:
    """The finished stages of a run, in the order in which they began."""
    path = paths.journal(run)
    if not path.exists():
        return []
    entries = [Entry(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(entries, key=lambda entry: entry.started)
