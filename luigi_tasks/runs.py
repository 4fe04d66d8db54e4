"""The record of a run in etl.runs, its stages and what is unusual about it, written when its process ends."""

import atexit
import getpass
import importlib.metadata
import json
import logging
import os
import platform
import shlex
import socket
import sys
from collections.abc import Sequence
from functools import partial

from psycopg2.extras import execute_values

from luigi_tasks import journal, layout, warehouse, watch
from luigi_tasks.errors import PipelineError
from luigi_tasks.journal import Entry
from luigi_tasks.watch import Remark

PACKAGES = ("socialmart", "luigi", "pyspark", "pyarrow", "dbt-core", "dbt-postgres", "psycopg2-binary")

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
    try:
        layout.prepare()
        warehouse.retried("the record of the run", partial(_insert, stages))
        for remark in warehouse.retried("what is unusual", partial(_look, stages)):
            logger.warning("%s", remark.text)
    except PipelineError as error:
        logger.warning("this run is not recorded in etl.runs: %s", error)


def _insert(stages: Sequence[Entry]) -> None:
    """Once: after a commit whose answer was lost it is there already."""
    outcome = journal.FAILED if any(stage.outcome == journal.FAILED for stage in stages) else journal.DONE
    run = journal.run_id()
    with warehouse.transaction() as cursor:
        versions = _versions() | {"postgresql": cursor.connection.info.parameter_status("server_version")}
        cursor.execute(
            "insert into etl.runs (run_id, started_at, finished_at, host, outcome, login, command, versions) "
            "values (%s, to_timestamp(%s), now(), %s, %s, %s, %s, %s) on conflict do nothing",
            (
                *(run, stages[0].started, socket.gethostname(), outcome),
                *(_login(), shlex.join(sys.argv[1:]), json.dumps(versions)),
            ),
        )
        execute_values(
            cursor,
            "insert into etl.stages (run_id, stage, batches, started_at, seconds, rows, outcome) values %s "
            "on conflict do nothing",
            [(run, s.stage, list(s.batches), s.started, s.seconds, s.rows, s.outcome) for s in stages],
            template="(%s, %s, %s::text[], to_timestamp(%s), %s, %s, %s)",
        )


def _look(stages: Sequence[Entry]) -> list[Remark]:
    run = journal.run_id()
    with warehouse.transaction() as cursor:
        remarks = watch.look(cursor, run, stages)
        rows = [(run, remark.kind, remark.subject, remark.text) for remark in remarks]
        if rows:
            execute_values(cursor, "insert into etl.remarks values %s on conflict do nothing", rows)
    return remarks


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return str(os.getuid())
