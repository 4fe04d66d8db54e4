"""The notification about a run, by mail or webhook: failures, anomalies, stages, and how to run again.

Its addresses hold passwords and tokens, so they come from the environment.
"""

import contextlib
import json
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from luigi_tasks import config, paths, run_id
from luigi_tasks.config import ALWAYS, NOTIFY_LEVELS, ON_FAILURE, ON_WARNINGS
from luigi_tasks.runs import journal, known_failure
from luigi_tasks.runs.journal import StageFailure, StageRecord
from luigi_tasks.texts import count, format_block, format_line

ADDRESSES = "SOCIALMART_NOTIFY"
"""Environment variable: addresses in apprise's notation (mailto://…, slack://…, json://…), separated by blanks."""
LOG_LINES = 15
"""Lines of the log in a message about a failure: enough for the error, short enough for a chat."""
MOST_LISTED = 30
"""Failures, remarks and stages that a message lists of each."""
LONGEST_REASON = 2_000
"""Characters of the reason of a failure: some end with the end of a log."""

logger = logging.getLogger(__name__)


def send_notification(
    stages: Sequence[StageRecord],
    failures: Sequence[StageFailure],
    remarks: Sequence[str],
    end: str = "",
    task: str = "",
    anchor: str = "",
) -> None:
    """Send the message about this run to all addresses, if [notify] on asks for one. `end` says what went wrong,
    `task` what Luigi was asked for, `anchor` where the audit chain ends.

    A failure that the last message was about is said to be still so; the first good run after one sends a message, too.
    A message that cannot be sent is logged, and changes nothing else.
    """
    known = known_failure.read_known()
    failure = known_failure.compare(known, failures, task) if failures else None
    is_well_again = failure is None and known_failure.is_over(known, task)
    outcome = ON_FAILURE if failures else ON_WARNINGS if remarks else ALWAYS
    addresses = os.environ.get(ADDRESSES, "").split()
    if not addresses or not _is_wanted(ON_FAILURE if is_well_again else outcome):
        if is_well_again:  # nobody wants to hear of it
            known_failure.remember(None)
        return
    import apprise  # slow to import, and seldom needed

    kinds = {
        ON_FAILURE: apprise.NotifyType.FAILURE,
        ON_WARNINGS: apprise.NotifyType.WARNING,
        ALWAYS: apprise.NotifyType.SUCCESS,
    }
    is_still_so = failure is not None and failure.runs > 1
    title = compose_title(outcome, is_still_so, is_well_again)
    body = compose_body(stages, failures, remarks, end, anchor)
    if failure and is_still_so:
        body = f"{failure.describe()}\n\n{body}"
    is_sent = False
    for number, address in enumerate(addresses, 1):  # one by one: a process that ends cannot start threads
        receiver = apprise.Apprise.instantiate(address)
        if receiver is None:
            logger.warning("%s: address %d is not one that apprise knows; nothing is sent there", ADDRESSES, number)
        elif not _send(receiver, body, title, kinds[outcome]):
            logger.warning("%s: the message could not be sent to address %d", ADDRESSES, number)
        else:
            is_sent = True
    if is_sent and (failure or is_well_again):
        known_failure.remember(failure)


def _send(receiver: Any, body: str, title: str, kind: Any) -> bool:
    """Whether a message was sent. What is raised for one is no reason to send no other; it may hold the address."""
    try:
        return bool(receiver.notify(body, title, kind, body_format="text"))
    except Exception as error:
        logger.warning("%s: sending the message failed (%s)", ADDRESSES, type(error).__name__)
        return False


def send_alarm(reason: str, hours: float) -> None:
    """Send the message that another run seems to hang, or takes long: about the same run once in so many hours, as runs
    that find it at work may be frequent."""
    sent = paths.run_lock().with_suffix(".alarm")
    holder = paths.run_lock().read_bytes()
    with contextlib.suppress(OSError):
        if sent.exists() and sent.read_bytes() == holder and time.time() - sent.stat().st_mtime < hours * 3600:
            return
        sent.write_bytes(holder)
    send_notification([], [StageFailure("The run", reason)], [])


def _is_wanted(level: str) -> bool:
    return NOTIFY_LEVELS.index(config.read_section(config.notify).on) >= NOTIFY_LEVELS.index(level)


def compose_title(outcome: str, is_still_so: bool = False, is_well_again: bool = False) -> str:
    """Return the title of the message about a run with this outcome, which may be the same failure as before, or the
    first good end after one."""
    outcomes = {ON_FAILURE: "failed", ON_WARNINGS: "succeeded with warnings", ALWAYS: "succeeded"}
    said = f"still {outcomes[outcome]}" if is_still_so else outcomes[outcome]
    ended = f"is well again: it {said}" if is_well_again else said
    return format_line(f"socialmart on {socket.gethostname()} {ended}")


def compose_body(
    stages: Sequence[StageRecord],
    failures: Sequence[StageFailure],
    remarks: Sequence[str],
    end: str,
    anchor: str = "",
) -> str:
    """Return the text of the message: paragraphs about failures, anomalies, stages, the log, how to run again, and the
    anchor of the audit chain, which is of use just because it stands outside the warehouse."""
    run = run_id.get_run_id()
    paragraphs = [format_line(f"Run {run}: {shlex.join(sys.argv[1:])}")]
    if end:
        paragraphs.append(format_block(end, LONGEST_REASON))
    if failures:
        paragraphs.append(_list_lines("Failed:", [format_failure(failure) for failure in failures]))
    if remarks:
        paragraphs.append(_list_lines("Unusual:", [format_line(remark, LONGEST_REASON) for remark in remarks]))
    if stages:
        paragraphs.append(_list_lines("Stages:", [_format_stage(stage) for stage in stages]))
    if failures:
        paragraphs.append("\n".join([f"The end of the log ({paths.run_logs(run)}):", *_read_end_of_log(run, stages)]))
        command = shlex.join([str(Path(sys.argv[0]).absolute()), *sys.argv[1:]])
        folder = shlex.quote(str(Path.cwd()))
        again = format_line(f"cd {folder} && {command}", LONGEST_REASON)
        paragraphs.append(f"To run again, from the last finished target:\n{again}")
    if anchor:
        paragraphs.append(f"Audit chain: {anchor}")
    return "\n\n".join(paragraphs)


def format_failure(failure: StageFailure) -> str:
    """Return a failed stage and its reason, which may have further lines; these are indented."""
    reason = failure.reason.removeprefix(f"{failure.title}: ").strip()
    return format_block(f"{format_line(failure.title)}: {reason}", LONGEST_REASON)


def _list_lines(heading: str, lines: Sequence[str]) -> str:
    """A heading and a list, the first of it where it is long."""
    more = [f"- and {len(lines) - MOST_LISTED:,} more: socialmart summary"] if len(lines) > MOST_LISTED else []
    return "\n".join([heading, *(f"- {line}" for line in lines[:MOST_LISTED]), *more])


def _format_stage(stage: StageRecord) -> str:
    rows = "" if stage.rows is None else f", {count(stage.rows, 'row')}"
    return format_line(f"{stage.title}: {stage.outcome}, {stage.seconds:,.1f} s{rows}")


def _read_end_of_log(run: str, stages: Sequence[StageRecord]) -> list[str]:
    """Return the last lines that the failed stages logged, or all stages if none failed at work."""
    failed = {paths.stage_log(run, stage.stage) for stage in stages if stage.outcome == journal.FAILED}
    logs = failed
    if not failed:
        with contextlib.suppress(OSError):  # a folder that cannot be looked into
            logs = {path for path in paths.run_logs(run).glob("*.jsonl") if path != paths.journal(run)}
    lines = [line for path in logs for line in _read_log(path)]
    last = sorted(lines, key=lambda line: line["time"])[-LOG_LINES:]
    return [format_line(" ".join(f"{line['time'][11:19]} {line['level']} {line['message']}".split())) for line in last]


def _read_log(path: Path) -> Iterator[dict[str, str]]:
    """The lines of a stage's log; one that was cut off, as by a full disk, is left out, and a log that is gone."""
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError):
                yield json.loads(line)
