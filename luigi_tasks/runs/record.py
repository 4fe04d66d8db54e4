"""The end of a run: its record in etl.runs, its stages and what is unusual about it, and a message to who wants one."""

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

from luigi_tasks import config, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import service_process
from luigi_tasks.runs import anomalies, journal, notifications
from luigi_tasks.runs.anomalies import Remark
from luigi_tasks.runs.journal import Entry
from luigi_tasks.warehouse import migrations

PACKAGES = ("socialmart", "luigi", "pyspark", "pyarrow", "dbt-core", "dbt-postgres", "psycopg2-binary")

logger = logging.getLogger(__name__)


def conclude_at_exit() -> None:
    """Have this process's run concluded when it ends, before all that was registered to end until now."""
    atexit.unregister(_conclude)
    atexit.register(_conclude, os.getpid())


def _conclude(process: int) -> None:
    if os.getpid() != process:  # a fork of the run
        return
    service_process.dismiss()
    stages, failures = journal.read(run_id.current()), journal.failures(run_id.current())
    remarks: list[str] = []
    try:
        if stages or (config.read(config.notify).stale_hours and not failures):
            migrations.apply()
            warehouse.retry_transaction("the record of the run", partial(_insert, stages))
            remarks = [remark.text for remark in warehouse.retry_transaction("what is unusual", partial(_look, stages))]
    except PipelineError as error:
        remarks = [f"this run is not recorded in etl.runs: {error}"]
    for remark in remarks:
        logger.warning("%s", remark)
    notifications.tell(stages, failures, remarks)


def _insert(stages: Sequence[Entry]) -> None:
    """Once: after a commit whose answer was lost it is there already. Nothing, of a run in which nothing was done."""
    if not stages:
        return
    outcome = journal.FAILED if any(stage.outcome == journal.FAILED for stage in stages) else journal.DONE
    run = run_id.current()
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
    run = run_id.current()
    with warehouse.transaction() as cursor:
        remarks = anomalies.look(cursor, run, stages)
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
