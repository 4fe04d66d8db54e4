"""The end of a run: records it in etl.runs, etl.stages and etl.remarks, and sends the notification."""

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
from luigi_tasks.runs.anomalies import Anomaly
from luigi_tasks.runs.journal import StageRecord
from luigi_tasks.warehouse import migrations

PACKAGES = ("socialmart", "luigi", "pyspark", "pyarrow", "dbt-core", "dbt-postgres", "psycopg2-binary")
"""Packages whose versions are recorded with a run."""

logger = logging.getLogger(__name__)


def conclude_run_at_exit() -> None:
    """Conclude this process's run when the process ends, before all exit functions that are registered so far."""
    atexit.unregister(_conclude_run)
    atexit.register(_conclude_run, os.getpid())


def _conclude_run(process: int) -> None:
    if os.getpid() != process:  # a forked worker of the run
        return
    service_process.dismiss()
    run = run_id.get_run_id()
    stages = journal.read_finished_stages(run)
    failures = journal.read_failures(run)
    remarks: list[str] = []
    try:
        if stages or (config.read_section(config.notify).stale_hours and not failures):
            migrations.apply()
            warehouse.retry_transaction("the record of the run", partial(_record_stages, stages))
            found = warehouse.retry_transaction("anomalies of the run", partial(_record_anomalies, stages))
            remarks = [anomaly.text for anomaly in found]
    except PipelineError as error:
        remarks = [f"this run is not recorded in etl.runs: {error}"]
    for remark in remarks:
        logger.warning("%s", remark)
    notifications.send_notification(stages, failures, remarks)


def _record_stages(stages: Sequence[StageRecord]) -> None:
    """Insert the run and its stages, once: a retry after a lost commit finds them. A run without stages is left out."""
    if not stages:
        return
    run = run_id.get_run_id()
    failed = any(stage.outcome == journal.FAILED for stage in stages)
    with warehouse.transaction() as cursor:
        versions = _list_versions() | {"postgresql": cursor.connection.info.parameter_status("server_version")}
        cursor.execute(
            "insert into etl.runs (run_id, started_at, finished_at, host, outcome, login, command, versions) values "
            "(%(run)s, to_timestamp(%(started)s), now(), %(host)s, %(outcome)s, %(login)s, %(command)s, %(versions)s) "
            "on conflict do nothing",
            {
                "run": run,
                "started": stages[0].started,
                "host": socket.gethostname(),
                "outcome": journal.FAILED if failed else journal.DONE,
                "login": _find_login(),
                "command": shlex.join(sys.argv[1:]),
                "versions": json.dumps(versions),
            },
        )
        execute_values(
            cursor,
            "insert into etl.stages (run_id, stage, batches, started_at, seconds, rows, outcome) values %s "
            "on conflict do nothing",
            [(run, s.stage, list(s.batches), s.started, s.seconds, s.rows, s.outcome) for s in stages],
            template="(%s, %s, %s::text[], to_timestamp(%s), %s, %s, %s)",
        )


def _record_anomalies(stages: Sequence[StageRecord]) -> list[Anomaly]:
    """Find the anomalies of this run, whose stages are recorded already, and insert them into etl.remarks."""
    run = run_id.get_run_id()
    with warehouse.transaction() as cursor:
        found = anomalies.find_anomalies(cursor, run, stages)
        rows = [(run, anomaly.kind, anomaly.subject, anomaly.text) for anomaly in found]
        if rows:
            execute_values(cursor, "insert into etl.remarks values %s on conflict do nothing", rows)
    return found


def _list_versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def _find_login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return str(os.getuid())
