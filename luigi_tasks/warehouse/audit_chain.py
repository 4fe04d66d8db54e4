"""The audit chain, etl.audit: who ran, exported, took over or granted, each entry with the hash of the one before it.

Only the function etl.append_audit writes to it. Whoever may rewrite the whole table can make a new chain that is sound
in itself; an anchor that was noted outside the warehouse, HASH@POSITION, then shows that it is another one.
"""

import getpass
import hashlib
import json
import os
import re
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import run_id
from luigi_tasks.warehouse.schema_names import ETL

WRITER = f"{ETL}.append_audit(text, text, text)"
"""The function that alone writes entries."""
NO_PREVIOUS = "0" * 64
"""In the first entry, in place of the hash of the one before."""
ENCODED_ANCHOR = re.compile(r"\b([0-9a-f]{64})@([1-9][0-9]{0,17})\b")
"""An anchor in a text."""
ROWS_PER_FETCH = 2_000
"""Entries of some 500 bytes."""

RUN_BEGUN, RUN_ENDED = "run begun", "run ended"
COMMAND_BEGUN, COMMAND_ENDED = "command begun", "command ended"
CHANGED_BY_HAND = "changed by hand"
TAKEN_OVER = "warehouse taken over"
UPGRADED = "warehouse upgraded"
ROLES_APPLIED = "roles applied"


class Anchor(NamedTuple):
    """The hash of an entry and its position, which together stand for the whole chain up to it."""

    hash: str
    position: int

    def __str__(self) -> str:
        return f"{self.hash}@{self.position}"


class FoundAnchor(NamedTuple):
    """An anchor, and the place where it was noted."""

    anchor: Anchor
    place: str


class Entry(NamedTuple):
    """An entry as it stands in the table. `microseconds`: since 1970, UTC, in decimal digits; `details` is JSON."""

    position: int
    microseconds: str
    login: str
    event: str
    run: str
    details: str
    previous: str
    hash: str

    def compute_hash(self) -> str:
        """The hash that the entry should have: SHA-256 of all its other fields, each after its number of bytes."""
        fields = [str(field).encode() for field in self[:-1]]
        return hashlib.sha256(b"".join(b"%d:%s" % (len(field), field) for field in fields)).hexdigest()


def append(cursor: Cursor, event: str, **details: object) -> Anchor | None:
    """Append an entry within the transaction of `cursor`, as late in it as can be: others who append wait for its end.

    Returns the anchor of the chain; None where there is no chain yet, as before the first load. `details` are about
    nobody's data: no name of a batch, a file or a record. An entry that this process made already is not made again.
    """
    cursor.execute("select to_regprocedure(%s) is not null", (WRITER,))
    if cursor.fetchone() != (True,):
        return None
    text = json.dumps(details, sort_keys=True, ensure_ascii=True)
    cursor.execute("select etl.append_audit(%s, %s, %s)", (event, run_id.get_run_id(), text))
    return next(find_anchors(cursor.fetchone()[0]))


def read_head(cursor: Cursor) -> Anchor | None:
    """The anchor of the last entry; None where there is none, or no chain."""
    cursor.execute("select to_regclass('etl.audit') is not null")
    if cursor.fetchone() != (True,):
        return None
    cursor.execute("select hash, position from etl.audit order by position desc limit 1")
    found = cursor.fetchone()
    return Anchor(*found) if found else None


def read_entries(cursor: Cursor, last: int | None = None, run: str | None = None) -> Iterator[Entry]:
    """The entries in their order, or only so many of the `last` positions, or only those of a run.

    `cursor` has to be in a transaction: they are fetched bit by bit.
    """
    with cursor.connection.cursor("audit") as entries:
        entries.itersize = ROWS_PER_FETCH
        entries.execute(
            "select position, trunc(extract(epoch from at) * 1000000)::text, login, event, run, details::text, "
            "previous, hash from etl.audit where (%(run)s::text is null or run = %(run)s) and (%(last)s::bigint is "
            "null or position > (select max(position) from etl.audit) - %(last)s::bigint) order by position",
            {"run": run, "last": last},
        )
        for row in entries:
            yield Entry(*row)


def find_anchors(text: str) -> Iterator[Anchor]:
    """The anchors in a text, such as a log."""
    for found in ENCODED_ANCHOR.finditer(text):
        yield Anchor(found[1], int(found[2]))


def list_faults(entries: Iterable[Entry], anchors: Iterable[FoundAnchor], is_whole: bool = True) -> list[str]:
    """Sentences on what is wrong with a chain; none where it is sound and all anchors are of it.

    Unless it `is_whole`, the entries may begin at any position, and anchors before that are not looked at.
    """
    noted: dict[int, list[FoundAnchor]] = defaultdict(list)
    for found in anchors:
        noted[found.anchor.position].append(found)
    faults: list[str] = []
    strange: list[FoundAnchor] = []
    before = None
    for entry in entries:
        if (before or is_whole) and (fault := _find_break(before, entry)):
            faults.append(fault)
        if entry.compute_hash() != entry.hash:
            faults.append(f"entry {entry.position} was changed: its hash is not that of its fields")
        strange += [found for found in noted.get(entry.position, []) if found.anchor.hash != entry.hash]
        before = entry
    if strange:
        anchor, place = strange[0]
        faults.append(
            f"entry {anchor.position} is not the one whose anchor is in {place}: it, or one before it, was replaced, "
            "and all hashes after that computed anew; or this is another warehouse"
        )
    end = before.position if before else 0
    last = max(noted, default=0)
    if last > end:
        place = noted[last][0].place
        faults.append(
            f"the chain ends with entry {end}, but the anchor of entry {last} is in {place}: its end was cut off; or "
            "an older backup was restored, or this is another warehouse"
        )
    if not before and is_whole:
        faults.append("the chain is empty, although its table is made with an entry in it")
    return faults


def list_strange_places(entries: Iterable[Entry], anchors: Iterable[FoundAnchor]) -> set[str]:
    """Where anchors were noted that are not of the chain; those of positions before its first entry do not count."""
    hashes = {entry.position: entry.hash for entry in entries}
    first = min(hashes, default=1)
    return {
        found.place
        for found in anchors
        if found.anchor.position >= first and hashes.get(found.anchor.position) != found.anchor.hash
    }


def _find_break(before: Entry | None, entry: Entry) -> str | None:
    """What is wrong between an entry and the one that stands before it, which the first one lacks."""
    expected = before.position + 1 if before else 1
    if entry.position == expected + 1:
        return f"entry {expected} is missing"
    if entry.position > expected:
        return f"entries {expected} to {entry.position - 1} are missing"
    if entry.position < expected:
        return f"entry {entry.position} stands there twice, or is none"
    if entry.previous != (before.hash if before else NO_PREVIOUS):
        return f"entry {entry.position} does not follow the one before it: one of them was replaced or inserted"
    return None


def describe_operator() -> dict[str, str]:
    """Who runs this process, and where, as details of an entry."""
    return {"account": find_account(), "host": socket.gethostname()}


def find_account() -> str:
    """The name of the account that runs this process; its number where it has none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
