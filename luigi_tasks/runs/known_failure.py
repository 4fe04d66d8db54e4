"""The failure that the last message was about: the next messages say that it is still the same, or that it is over."""

import contextlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from luigi_tasks import fingerprints, paths
from luigi_tasks.runs.journal import StageFailure

NUMBER = re.compile(r"[\d.,:]*\d")
"""What may differ between two failures that are the same: times, seconds, counts, process ids."""


@dataclass(frozen=True)
class KnownFailure:
    """A failure that a message was sent about.

    `fingerprint` is of its stages and reasons, `since` in seconds since 1970; it ended `runs` runs, of which the first
    was asked for `task` ("RunAll").
    """

    fingerprint: str
    since: float
    runs: int
    task: str

    def describe(self) -> str:
        """Say since when it is so."""
        since = f"{datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M} UTC"
        return f"The same failure as before: it has ended {self.runs:,} runs since {since}."


def read_known() -> KnownFailure | None:
    """Return the failure that the last messages were about; None if all was well since, or the file is damaged."""
    try:
        return KnownFailure(**json.loads(_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def compare(known: KnownFailure | None, failures: Sequence[StageFailure], task: str) -> KnownFailure:
    """Return the failure of this run: the known one, once more, if its stages and reasons are the same."""
    reasons = sorted({(failure.title, NUMBER.sub("", failure.reason)) for failure in failures})
    fingerprint = fingerprints.of_value(reasons)
    if known and known.fingerprint == fingerprint:
        return KnownFailure(fingerprint, known.since, known.runs + 1, known.task)
    return KnownFailure(fingerprint, time.time(), 1, task)


def is_over(known: KnownFailure | None, task: str) -> bool:
    """Whether a good run of a task ends a failure: it was asked for the same, or for everything."""
    return known is not None and (task in (known.task, "RunAll") or not known.task)


def remember(failure: KnownFailure | None) -> None:
    """Note what the message was about that was just sent; None: that all is well again.

    A disk that is full has the next message be as if it were the first.
    """
    with contextlib.suppress(OSError):
        if failure is None:
            _file().unlink(missing_ok=True)
        else:
            _file().write_text(json.dumps(asdict(failure)), encoding="utf-8")


def _file() -> Path:
    return paths.run_lock().with_suffix(".failure")
