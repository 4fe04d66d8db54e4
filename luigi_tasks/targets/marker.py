"""Markers: rows of etl.table_updates that say what a table of the warehouse was loaded from."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

from luigi.contrib.postgres import PostgresTarget
from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse
from luigi_tasks.targets.built_from import BuiltFrom, describe_changes


@dataclass(frozen=True)
class MarkerRow:
    """What a marker says: the JSON of what was loaded, and which content that came to."""

    built_from: str
    content: str


Found = dict[tuple[str, str], MarkerRow]
"""Markers by table and batch."""


class Marker(PostgresTarget):
    """The marker of one table and batch: its `built_from` has the fingerprints of what was loaded, by name.

    There is one marker a table and batch, touched in the load's own transaction, so that rows and marker are there
    together or not at all. Deleting the row makes the load run again.
    """

    marker_table = "etl.table_updates"

    def __init__(self, table: str, batch: str) -> None:
        super().__init__("", "", "", "", table, update_id=f"{table}/{batch}")
        self.batch = batch

    def __str__(self) -> str:
        return f"{self.marker_table}: {self.table}, {self.batch}"

    def connect(self) -> Connection:
        """This process's connection to the warehouse, in autocommit."""
        return warehouse.get_reader()

    def exists(self, connection: Connection | None = None) -> bool:
        """Whether there is a marker that can be read, whatever the table was loaded from."""
        return self.read_built_from() is not None

    def find_stale_reason(self, built_from: BuiltFrom) -> str | None:
        """Why the table was not loaded from `built_from`, None when it was."""
        found = self._find()
        if found is None:
            return "its marker is missing"
        recorded = _parse(found.built_from)
        return "its marker is damaged" if recorded is None else describe_changes(recorded, built_from)

    def read_built_from(self) -> BuiltFrom | None:
        """What the table was last loaded from; None where the marker is missing or damaged."""
        found = self._find()
        return None if found is None else _parse(found.built_from)

    def read_content(self) -> str:
        """What was there when the marker was written; empty where there is no marker."""
        found = self._find()
        return "" if found is None else found.content

    def clear(self, cursor: Cursor) -> None:
        """Delete the marker within the transaction of `cursor`."""
        cursor.execute(
            f"delete from {self.marker_table} where target_table = %s and batch = %s", (self.table, self.batch)
        )

    def touch(self, cursor: Cursor, built_from: BuiltFrom, content: str = "") -> None:  # type: ignore[override]
        """Write the marker within the transaction of `cursor`, in place of the one before.

        `content` tells what is there now from what was there before: a digest of rows, or a name for one build.
        """
        self.clear(cursor)
        cursor.execute(
            f"insert into {self.marker_table} (update_id, target_table, batch, built_from, content) "
            "values (%s, %s, %s, %s, %s)",
            (self.update_id, self.table, self.batch, json.dumps(dict(built_from)), content),
        )

    def record_content(self, cursor: Cursor, content: str) -> None:
        """Add the content to the marker within the transaction of `cursor`."""
        cursor.execute(
            f"update {self.marker_table} set content = %s where target_table = %s and batch = %s",
            (content, self.table, self.batch),
        )

    def _find(self) -> MarkerRow | None:
        lookup = _lookup.get() or _Lookup([self.batch])
        return lookup.find(self.table, self.batch)


def _parse(found: str) -> BuiltFrom | None:
    """The fingerprints of a marker by name; None where its JSON is anything else, as after a change by hand."""
    built_from = json.loads(found)
    if isinstance(built_from, dict) and all(isinstance(value, str) for value in built_from.values()):
        return built_from
    return None


class _Lookup:
    """The markers of some batches, or of all, from one query."""

    def __init__(self, batches: Sequence[str]) -> None:
        self._batches = set(batches)
        self._found: Found | None = None

    def find(self, table: str, batch: str) -> MarkerRow | None:
        """A marker, None where there is none."""
        if self._batches and batch not in self._batches:
            return _Lookup([batch]).find(table, batch)
        if self._found is None:
            self._found = _select("where batch = any(%s)", list(self._batches)) if self._batches else _select()
        return self._found.get((table, batch))


_lookup: ContextVar[_Lookup | None] = ContextVar("lookup", default=None)


@contextmanager
def share_lookup(batches: Sequence[str]) -> Iterator[None]:
    """Within the block, the markers of these batches, or of all where none is named, are read once."""
    token = _lookup.set(_Lookup(batches))
    try:
        yield
    finally:
        _lookup.reset(token)


def list_loads(schema: str) -> list[tuple[str, str, str]]:
    """Table, batch and the JSON of `built_from` of all loads into a schema's tables, in the order of their names."""
    found = _select("where starts_with(target_table, %s)", f"{schema}.")
    return [(table, batch, row.built_from) for (table, batch), row in sorted(found.items())]


def list_contents(table: str) -> dict[str, str]:
    """The contents of the batches of a table when they were loaded, by batch."""
    return {batch: row.content for (_, batch), row in _select("where target_table = %s", table).items()}


def _select(where: str = "", *parameters: object) -> Found:
    """The markers that a condition picks; none before the first load."""
    rows = warehouse.retry_transaction("markers", partial(_fetch, where, parameters))
    return {
        (table, batch): MarkerRow(built_from or _read_update_id(update_id), content or "")
        for table, batch, built_from, content, update_id in rows
    }


def _fetch(where: str, parameters: Sequence[object]) -> list[tuple[str, str, str | None, str | None, str]]:
    """The rows of markers, whichever columns the table has: it may be one that no run of this version upgraded yet."""
    with warehouse.reading() as cursor:
        try:
            cursor.execute(
                "select target_table, batch, (to_jsonb(marker) -> 'built_from')::text, to_jsonb(marker) ->> 'content', "
                f"update_id from {Marker.marker_table} as marker {where}",
                parameters,
            )
            return cursor.fetchall()
        except UndefinedTable:
            return []


def _read_update_id(update_id: str) -> str:
    """The JSON of a marker from before schema version 2, whose update_id is TABLE/BATCH#name=value,name=value."""
    pairs = [pair.partition("=") for pair in update_id.rpartition("#")[2].split(",")]
    is_whole = "#" in update_id and all(name and sign for name, sign, _ in pairs)
    return json.dumps({name: value for name, _, value in pairs} if is_whole else {})
