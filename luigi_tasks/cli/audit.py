"""The audit chain for people: enters what commands do, compares the chain with anchors, lists its entries."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg2
from psycopg2.errors import UndefinedColumn, UndefinedTable

from luigi_tasks import paths, warehouse
from luigi_tasks.cli.output import print_to_stderr
from luigi_tasks.errors import PipelineError
from luigi_tasks.texts import count
from luigi_tasks.warehouse import audit_chain
from luigi_tasks.warehouse.audit_chain import Anchor, Entry, FoundAnchor

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REMEDY = (
    "Each entry follows the one before it, as after a restore of a backup or a move to another database. If you know "
    "of one, move the journals that follow elsewhere, keep them, note why, and verify again. If nobody knows of one, "
    "the chain was cut or rewritten: leave the journals where they are, and find out who could write to etl.audit."
)
"""What to do where a chain is sound in itself and not the one that anchors are of."""


@dataclass(frozen=True)
class Verdict:
    """What a comparison of the chain found.

    `entries`: how many were looked at; `head`: the anchor of the last one, empty without any; `anchors`: how many were
    compared with; `faults`: sentences, none where all is as it was entered; `journals`: those whose anchors are of
    another chain, where this one is sound in itself, as after a restore.
    """

    entries: int
    head: str
    anchors: int
    faults: tuple[str, ...]
    journals: tuple[str, ...] = ()


@contextmanager
def entered(command: str, is_required: bool = True) -> Iterator[dict[str, object]]:
    """Enter into the audit chain that a command begins, and how it ends; the block may add details of that, or say
    itself what the `outcome` is.

    Raises PipelineError, before the block, where the entry cannot be made. Unless it `is_required`, that is only told:
    some commands have to work on a warehouse that takes no entry, such as a standby, or one that is broken.
    """
    append = _append if is_required else _try_to_append
    details: dict[str, object] = {"command": command, **audit_chain.describe_operator()}
    append(audit_chain.COMMAND_BEGUN, details)
    found: dict[str, object] = {}
    outcome = "failed"
    try:
        yield found
        outcome = "done"
    finally:
        append(audit_chain.COMMAND_ENDED, details | {"outcome": outcome} | found)


def _append(event: str, details: dict[str, object]) -> None:
    def append() -> None:
        with warehouse.reading() as cursor:
            audit_chain.append(cursor, event, **details)

    warehouse.retry_transaction("the audit chain", append)


def _try_to_append(event: str, details: dict[str, object]) -> None:
    """Append an entry by one attempt, and close the connection: the command may drop the database."""
    try:
        with warehouse.reading() as cursor:
            audit_chain.append(cursor, event, **details)
        warehouse.get_reader().close()
    except (PipelineError, psycopg2.Error) as error:
        print_to_stderr(f"socialmart: not entered into the audit chain: {event}, {details['command']}: {error}")


def parse_anchor(text: str) -> Anchor:
    """The anchor that a command line names. Raises PipelineError for anything else."""
    if not re.fullmatch(audit_chain.ENCODED_ANCHOR, text):
        raise PipelineError(f"--anchor {text}: expected HASH@POSITION, as the log of a run has it")
    return next(audit_chain.find_anchors(text))


def read_anchors(given: Iterable[str], files: Sequence[Path]) -> list[FoundAnchor]:
    """The anchors that are given, those in the files, or else those in the journals of runs.

    Raises PipelineError for a file that cannot be read or has none.
    """
    found = [FoundAnchor(parse_anchor(text), "--anchor") for text in given]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise PipelineError(f"--log {path}: cannot be read ({error.strerror}); name another file") from error
        in_file = [FoundAnchor(anchor, str(path)) for anchor in audit_chain.find_anchors(text)]
        if not in_file:
            raise PipelineError(f"--log {path}: there is no anchor of the audit chain in it; name another file")
        found += in_file
    return found or _read_noted_anchors()


def _read_noted_anchors() -> list[FoundAnchor]:
    found = []
    for run in paths.runs():
        journal = paths.journal(run.name)
        with suppress(OSError):
            text = journal.read_text(encoding="utf-8", errors="replace")
            found += [FoundAnchor(anchor, str(journal)) for anchor in audit_chain.find_anchors(text)]
    return found


def verify_chain(anchors: Sequence[FoundAnchor], last: int | None = None) -> Verdict:
    """Walk the chain, or so many of its `last` entries, and compare it with anchors.

    Raises PipelineError where there is none.
    """
    entries = _read_entries(last=last)
    faults = audit_chain.list_faults(entries, anchors, is_whole=last is None)
    head = str(Anchor(entries[-1].hash, entries[-1].position)) if entries else ""
    is_sound = not audit_chain.list_faults(entries, [], is_whole=last is None)
    journals = _list_strange_journals(entries, anchors) if faults and is_sound else ()
    return Verdict(len(entries), head, len(anchors), tuple(faults), journals)


def _list_strange_journals(entries: Sequence[Entry], anchors: Sequence[FoundAnchor]) -> tuple[str, ...]:
    journals = {str(paths.journal(run.name)) for run in paths.runs()}
    return tuple(sorted(journals & audit_chain.list_strange_places(entries, anchors)))


def list_entries(run: str | None = None) -> list[Entry]:
    """The entries of the chain, or those of a run. Raises PipelineError where there is no chain."""
    return _read_entries(run=run)


def _read_entries(last: int | None = None, run: str | None = None) -> list[Entry]:
    return warehouse.retry_transaction("the audit chain", partial(_read_once, last, run))


def _read_once(last: int | None, run: str | None) -> list[Entry]:
    with warehouse.transaction() as cursor:
        try:
            return list(audit_chain.read_entries(cursor, last, run))
        except UndefinedTable as error:
            raise PipelineError("there is no table etl.audit; the first run makes it") from error
        except UndefinedColumn as error:
            raise PipelineError(
                "etl.audit lacks a column, so somebody altered it; restore it from a backup of the warehouse"
            ) from error


def describe_verdict(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Lines for people, each with its style."""
    for fault in verdict.faults:
        yield fault, "red"
    if verdict.journals:
        yield REMEDY, ""
        yield from ((f"  {journal}", "") for journal in verdict.journals)
    if not verdict.faults:
        yield describe_sound_chain(verdict), "green" if verdict.anchors else "yellow"


def describe_sound_chain(verdict: Verdict) -> str:
    """A sentence on a chain without faults."""
    anchored = f"{count(verdict.anchors, 'anchor')} outside the warehouse agree{'s' * (verdict.anchors == 1)}"
    unanchored = "but there is no anchor outside the warehouse, so that it would not show if its end were cut off"
    how = anchored if verdict.anchors else unanchored
    return f"the audit chain is sound: {count(verdict.entries, 'entry', 'entries')}, {how}; it is at {verdict.head}"


def describe_entries(entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """A line for people an entry, with its style."""
    for entry in entries:
        yield f"{entry.position} {format_time(entry)} {entry.login} {entry.event}, run {entry.run}: {entry.details}", ""


def make_fields(entry: Entry) -> dict[str, object]:
    """The fields of an entry for scripts."""
    return {
        "position": entry.position,
        "at": format_time(entry),
        "login": entry.login,
        "event": entry.event,
        "run": entry.run,
        "details": json.loads(entry.details),
        "previous": entry.previous,
        "hash": entry.hash,
    }


def format_time(entry: Entry) -> str:
    """When an entry was made, in ISO 8601, UTC."""
    return (EPOCH + timedelta(microseconds=int(entry.microseconds))).isoformat(timespec="microseconds")
