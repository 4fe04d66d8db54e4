"""The journal of a run: one line of JSON a finished stage, written by whichever process ran it."""

import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from luigi_tasks import config, paths

RUN_ID = "SOCIALMART_RUN_ID"
"""Environment variable: forked and started children belong to their parent's run."""


def run_id() -> str:
    """This run's name, the time at which it began."""
    return os.environ.setdefault(RUN_ID, f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}")


def folder() -> Path:
    """This run's folder of logs; older runs than are to be kept go when it is made."""
    place = paths.run_logs(run_id())
    if not place.exists():
        place.mkdir(parents=True)
        runs = sorted(path for path in paths.logs().iterdir() if path.is_dir())
        for path in runs[: -config.read(config.logs).keep_runs]:
            shutil.rmtree(path, ignore_errors=True)
    return place


def write(title: str, what: str, seconds: float, rows: int | None, outcome: str) -> None:
    """Add a finished stage to the journal."""
    entry = {
        "title": title,
        "what": what,
        "started": time.time() - seconds,
        "seconds": round(seconds, 2),
        "rows": rows,
        "outcome": outcome,
    }
    folder()
    with paths.journal(run_id()).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def as_json(entries: list[dict[str, Any]]) -> str:
    """A journal as one text."""
    return json.dumps(entries)


def read(run: str) -> list[dict[str, Any]]:
    """The finished stages of a run, in the order in which they began."""
    path = paths.journal(run)
    if not path.exists():
        return []
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(entries, key=lambda entry: entry["started"])
