"""One message a run, by mail or webhook: what failed, what is unusual, the end of the log, and how to run again.

Where it goes is a secret (addresses hold passwords and tokens), so it comes from the environment.
"""

import json
import logging
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from luigi_tasks import config, paths, run_id
from luigi_tasks.runs import journal
from luigi_tasks.runs.journal import Entry, Failure

ADDRESSES = "SOCIALMART_NOTIFY"
"""Environment variable: addresses as apprise has them (mailto://…, slack://…, json://…), with blanks between."""
_, ON_FAILURE, ON_WARNINGS, ALWAYS = config.LEVELS
LAST_LINES = 15

logger = logging.getLogger(__name__)


def tell(stages: Sequence[Entry], failures: Sequence[Failure], remarks: Sequence[str]) -> None:
    """Send the message, if somebody wants it. That it cannot be sent is logged, and changes nothing else."""
    level = ON_FAILURE if failures else ON_WARNINGS if remarks else ALWAYS
    addresses = os.environ.get(ADDRESSES, "").split()
    if not addresses or config.LEVELS.index(config.read(config.notify).on) < config.LEVELS.index(level):
        return
    import apprise  # which takes a while, and is seldom needed

    kind = {ON_FAILURE: apprise.NotifyType.FAILURE, ON_WARNINGS: apprise.NotifyType.WARNING}.get(
        level, apprise.NotifyType.SUCCESS
    )
    text = body(stages, failures, remarks)
    for number, address in enumerate(addresses, 1):  # one by one: a process that ends takes no new threads
        receiver = apprise.Apprise.instantiate(address)
        if receiver is None:
            logger.warning("%s: address %d is none that apprise knows; nothing is sent there", ADDRESSES, number)
        elif not receiver.notify(text, title(level), kind, body_format=apprise.NotifyFormat.TEXT):
            logger.warning("%s: the message could not be sent to address %d", ADDRESSES, number)


def title(level: str) -> str:
    said = {ON_FAILURE: "failed", ON_WARNINGS: "ended, with something unusual", ALWAYS: "ended well"}
    return f"socialmart on {socket.gethostname()} {said[level]}"


def body(stages: Sequence[Entry], failures: Sequence[Failure], remarks: Sequence[str]) -> str:
    """The text of the message."""
    run = run_id.current()
    parts = [f"Run {run}: {shlex.join(sys.argv[1:])}"]
    if failures:
        parts.append("\n".join(["Failed:", *(f"- {each.title}: {each.reason}" for each in failures)]))
    if remarks:
        parts.append("\n".join(["Unusual:", *(f"- {remark}" for remark in remarks)]))
    if stages:
        parts.append("\n".join(["Stages:", *(f"- {_line(stage)}" for stage in stages)]))
    if failures:
        parts.append("\n".join([f"The end of the log ({paths.run_logs(run)}):", *_end_of_log(run, stages)]))
        command = shlex.join([str(Path(sys.argv[0]).absolute()), *sys.argv[1:]])
        parts.append(f"To run again, from the last finished target:\ncd {shlex.quote(str(Path.cwd()))} && {command}")
    return "\n\n".join(parts)


def _line(stage: Entry) -> str:
    rows = "" if stage.rows is None else f", {stage.rows:,} rows"
    return f"{stage.title}: {stage.outcome}, {stage.seconds:,.1f} s{rows}"


def _end_of_log(run: str, stages: Sequence[Entry]) -> list[str]:
    """The last lines that the failed stages logged; that all did, where none failed at work."""
    failed = {paths.stage_log(run, stage.stage) for stage in stages if stage.outcome == journal.FAILED}
    logs = failed or {path for path in paths.run_logs(run).glob("*.jsonl") if path != paths.journal(run)}
    lines = [json.loads(line) for path in logs for line in path.read_text(encoding="utf-8").splitlines()]
    last = sorted(lines, key=lambda line: line["time"])[-LAST_LINES:]
    return [" ".join(f"{line['time'][11:19]} {line['level']} {line['message']}".split()) for line in last]
