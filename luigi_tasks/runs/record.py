"""The end of a run: records it in etl.runs, etl.stages and etl.remarks, and sends the notification."""

import atexit
import importlib.metadata
import json
import logging
import os
import platform
import shlex
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from luigi.cmdline_parser import CmdlineParser
from luigi.retcodes import retcode
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from luigi_tasks import config, paths, run_id, texts, warehouse
from luigi_tasks.errors import SIGNALLED, PipelineError, describe_error, describe_signal
from luigi_tasks.processes import service_process
from luigi_tasks.runs import anomalies, journal, notifications, signals
from luigi_tasks.runs.anomalies import Anomaly
from luigi_tasks.runs.journal import RunEnd, StageFailure, StageRecord
from luigi_tasks.warehouse import audit_chain, migrations
from luigi_tasks.warehouse.audit_chain import Anchor

PACKAGES = ("socialmart", "luigi", "pyspark", "pyarrow", "dbt-core", "dbt-postgres", "psycopg2-binary")
"""Packages whose versions are recorded with a run."""

MOST_NAMED = 3
"""Failed stages that the last line of a run names."""
LONGEST_REASON = 1_000
"""Characters of the reason of a run's end: what failed, and of the end of a log, if there is one, what it says last."""
LONGEST_COMMAND = 2_000
"""Characters of the command line in etl.runs."""
SUBJECT_BYTES, TEXT_BYTES = 500, 1_800
"""Most bytes of a remark's subject and text: both are in the primary key, an entry of which has at most 2,704 bytes."""

logger = logging.getLogger(__name__)

_started = time.time()
_end: RunEnd | None = None
_is_begun = False
"""Whether it is in the audit chain that this run has begun."""


def note_end(code: int, reason: str, task: str = "") -> None:
    """Note how this run ends. The first end that is not good stays: a program may have Luigi build several times."""
    global _end
    if _end is None or _end.code == 0:
        _end = RunEnd(code, reason, task)


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
    end = _find_end(failures)
    found, anchor = _record_run(stages, end)
    remarks = [texts.format_line(remark, TEXT_BYTES) for remark in found]
    for remark in remarks:
        logger.warning("%s", remark)
    if anchor:
        end = replace(end, anchor=str(anchor))
        logger.info("the audit chain is at %s", anchor)
    if end.code or os.path.isdir(paths.run_logs(run)):  # noqa: PTH112  # False, too, where that cannot be known
        try:
            journal.append_event(end)
        except PipelineError as error:  # what else failed is not in the journal, and perhaps just therefore
            end = replace(end, reason=f"{end.reason}; {error}")
    if end.code and not failures:
        failures = [StageFailure("The run", end.reason)]
    text = f"the run ended with exit code {end.code}: {end.reason}"
    notifications.send_notification(stages, failures, remarks, text if end.code else "", end.task, end.anchor)
    if end.code:
        logger.error(text)


def _find_end(failures: Sequence[StageFailure]) -> RunEnd:
    """How this run ends; the reason names the stages that failed, if there are some."""
    received = signals.get_received()
    if received:
        end = RunEnd(SIGNALLED + received, describe_signal(received), _end.task if _end else "")
    else:
        end = _end or RunEnd(retcode().unhandled_exception, "it ended before it began to work; see the log", "")
    if end.code in (retcode().task_failed, retcode().scheduling_error) and failures:
        return RunEnd(end.code, _describe_failures(failures), end.task)
    return end


def _describe_failures(failures: Sequence[StageFailure]) -> str:
    """One failure with its reason, or the stages that failed."""
    titles = list(dict.fromkeys(failure.title for failure in failures))
    if len(titles) == 1:
        return failures[0].describe(LONGEST_REASON)
    more = f" and {len(titles) - MOST_NAMED:,} more" if len(titles) > MOST_NAMED else ""
    return f"{', '.join(titles[:MOST_NAMED])}{more} failed; the log has the reasons"


def note_begin() -> None:
    """Enter into the audit chain that this run has begun to work, once it has asked the warehouse for something."""
    global _is_begun
    if _is_begun or not warehouse.is_connected():
        return
    parser = CmdlineParser.get_instance()
    details = {"task": parser.known_args.root_task if parser else "", **audit_chain.describe_operator()}

    def append() -> Anchor | None:
        with warehouse.reading() as cursor:
            return audit_chain.append(cursor, audit_chain.RUN_BEGUN, **details)

    _is_begun = warehouse.retry_transaction("the audit chain", append) is not None


def _record_run(stages: Sequence[StageRecord], end: RunEnd) -> tuple[list[str], Anchor | None]:
    """Record the run in the warehouse, unless it had nothing to do.

    Returns what was unusual about it, and the anchor of the audit chain.
    """
    if not (stages or end.code or config.read_section(config.notify).stale_hours):
        return [], None
    try:
        if not (stages or warehouse.is_external() or warehouse.find_embedded_home()):
            return [], None
        if not stages or signals.get_received():
            with warehouse.reading():  # if the warehouse is away, one attempt tells; below there are several
                pass
        migrations.apply()
        anchor = warehouse.retry_transaction("the record of the run", partial(_insert_run, stages, end))
    except Exception as error:  # whatever goes wrong here, the message about the run is sent
        remarks = [f"this run is not recorded in etl.runs: {describe_error(error)}"]
        return remarks, None
    try:
        return warehouse.retry_transaction("anomalies of the run", partial(_record_anomalies, stages)), anchor
    except Exception as error:
        remarks = [f"what was unusual about this run is not known, and not in etl.remarks: {describe_error(error)}"]
        return remarks, anchor


def _insert_run(stages: Sequence[StageRecord], end: RunEnd) -> Anchor | None:
    """Insert the run and its stages, once: a retry after a lost commit finds them. One that did nothing is left out.

    Returns the anchor of the audit chain, into which the end was entered, too.
    """
    if not stages and not end.code:
        return None
    run = run_id.get_run_id()
    failed = end.code or any(stage.outcome == journal.FAILED for stage in stages)
    with warehouse.transaction() as cursor:
        versions = _list_versions() | {"postgresql": cursor.connection.info.parameter_status("server_version")}
        cursor.execute(
            "insert into etl.runs (run_id, started_at, finished_at, host, outcome, login, command, versions) values "
            "(%(run)s, to_timestamp(%(started)s), now(), %(host)s, %(outcome)s, %(login)s, %(command)s, %(versions)s) "
            "on conflict do nothing",
            {
                "run": run,
                "started": stages[0].started if stages else _started,
                "host": socket.gethostname(),
                "outcome": journal.FAILED if failed else journal.DONE,
                "login": audit_chain.find_account(),
                "command": texts.format_line(shlex.join(sys.argv[1:]), LONGEST_COMMAND),
                "versions": json.dumps(versions),
            },
        )
        if stages:
            execute_values(
                cursor,
                "insert into etl.stages (run_id, stage, batches, started_at, seconds, rows, outcome) values %s "
                "on conflict do nothing",
                [
                    (run, s.stage, [*map(texts.make_storable, s.batches)], s.started, s.seconds, s.rows, s.outcome)
                    for s in stages
                ],
                template="(%s, %s, %s::text[], to_timestamp(%s), %s, %s, %s)",
            )
        return audit_chain.append(
            cursor,
            audit_chain.RUN_ENDED,
            task=end.task.partition(" ")[0],  # without its batches
            code=end.code,
            outcome=journal.FAILED if failed else journal.DONE,
            stages=Counter(stage.stage for stage in stages),
            **audit_chain.describe_operator(),
        )


def _record_anomalies(stages: Sequence[StageRecord]) -> list[str]:
    """Find the anomalies of this run, whose stages are recorded already, and insert them into etl.remarks.

    Returns all remarks on the run; some were made while it was at work.
    """
    run = run_id.get_run_id()
    with warehouse.transaction() as cursor:
        record_remarks(cursor, anomalies.find_anomalies(cursor, run, stages))
        cursor.execute("select remark from etl.remarks where run_id = %s order by kind, subject", (run,))
        return [remark for (remark,) in cursor.fetchall()]


def record_remarks(cursor: Cursor, found: Sequence[Anomaly]) -> None:
    """Insert remarks on this run, within the transaction of `cursor`."""
    run = run_id.get_run_id()
    rows = [
        (run, each.kind, _make_key(each.subject, SUBJECT_BYTES), _make_key(each.text, TEXT_BYTES)) for each in found
    ]
    if rows:
        execute_values(cursor, "insert into etl.remarks values %s on conflict do nothing", rows)


def _make_key(text: str, most: int) -> str:
    """A text in one line that fits into the primary key of etl.remarks."""
    return texts.cut_to_bytes(texts.format_line(text, most), most)


def _list_versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}
