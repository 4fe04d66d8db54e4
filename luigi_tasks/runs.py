"""The record of a run in etl.runs, written when its process ends."""

import atexit
import logging
import os
import socket
from functools import partial
from typing import Any

from luigi_tasks import journal, layout, warehouse
from luigi_tasks.errors import PipelineError

logger = logging.getLogger(__name__)

_recorded: set[int] = set()


def record_at_exit() -> None:
    """Have this process's run recorded when it ends; a run in which no stage did anything leaves no record."""
    if os.getpid() not in _recorded:
        _recorded.add(os.getpid())
        atexit.register(_record, os.getpid())


def _record(process: int) -> None:
    stages = journal.read(journal.run_id())
    if not stages or os.getpid() != process:
        return
    outcome = "failed" if any(stage["outcome"] == "failed" for stage in stages) else "done"
    try:
        layout.prepare()
        warehouse.retried("the record of the run", partial(_insert, stages, outcome))
    except PipelineError as error:
        logger.warning("this run is not recorded in etl.runs: %s", error)


def _insert(stages: list[dict[str, Any]], outcome: str) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute(
            "insert into etl.runs (run_id, started_at, finished_at, host, outcome, stages) "
            "values (%s, to_timestamp(%s), now(), %s, %s, %s) on conflict (run_id) do nothing",
            (journal.run_id(), stages[0]["started"], socket.gethostname(), outcome, journal.as_json(stages)),
        )
