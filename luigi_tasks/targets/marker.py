"""Markers: rows of etl.table_updates that say what a table of the warehouse was loaded from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from luigi.contrib.postgres import PostgresTarget
from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse
from luigi_tasks.targets.built_from import BuiltFrom, describe_changes


class Marker(PostgresTarget):
    """The marker of one table and batch: its `update_id` carries the fingerprints of what was loaded.

    There is one marker a table and batch, touched in the load's own transaction, so that rows and marker are there
    together or not at all. Deleting the row makes the load run again.
    """

    marker_table = "etl.table_updates"

    def __init__(self, table: str, batch: str) -> None:
        super().__init__("", "", "", "", table, update_id=f"{table}/{batch}")
        self.batch = batch

    def __str__(self) -> str:
        return f"{self.marker_table}: {self.table}, {self.batch}"

    def exists(self, connection: Connection | None = None) -> bool:
        return self.recorded() is not None

    def find_stale_reason(self, built_from: BuiltFrom) -> str | None:
        """Why the table was not loaded from `built_from`, None when it was."""
        recorded = self.recorded()
        return "its marker is missing" if recorded is None else describe_changes(recorded, built_from)

    def recorded(self) -> BuiltFrom | None:
        """What the table was last loaded from; None where nothing tells."""
        lookup = _lookup.get() or _Lookup([self.batch])
        found = lookup.find(self.table, self.batch)
        return dict(pair.split("=", 1) for pair in found.rsplit("#", 1)[1].split(",")) if found else None

    def clear(self, cursor: Cursor) -> None:
        """Take the marker away within the transaction of `cursor`."""
        cursor.execute(
            f"delete from {self.marker_table} where target_table = %s and batch = %s", (self.table, self.batch)
        )

    def touch(self, cursor: Cursor, built_from: BuiltFrom) -> None:  # type: ignore[override]  # joins a transaction
        """Write the marker within the transaction of `cursor`, in place of the one before."""
        self.clear(cursor)
        listed = ",".join(f"{name}={value}" for name, value in sorted(built_from.items()))
        cursor.execute(
            f"insert into {self.marker_table} (update_id, target_table, batch) values (%s, %s, %s)",
            (f"{self.update_id}#{listed}", self.table, self.batch),
        )


class _Lookup:
    """The markers of some batches, or of all, from one query."""

    def __init__(self, batches: Sequence[str]) -> None:
        self._batches = set(batches)
        self._found: dict[tuple[str, str], str] | None = None

    def find(self, table: str, batch: str) -> str | None:
        """The update_id of a marker, None where there is none."""
        if self._batches and batch not in self._batches:
            return _Lookup([batch]).find(table, batch)
        if self._found is None:
            self._found = _select("where batch = any(%s)", list(self._batches)) if self._batches else _select()
        return self._found.get((table, batch))


_lookup: ContextVar[_Lookup | None] = ContextVar("lookup", default=None)


@contextmanager
def looked_up_once(batches: Sequence[str]) -> Iterator[None]:
    """Within the block, the markers of these batches, or of all where none is named, are those found at first."""
    token = _lookup.set(_Lookup(batches))
    try:
        yield
    finally:
        _lookup.reset(token)


def loaded(schema: str) -> list[str]:
    """The update_ids of all loads into a schema's tables, in a fixed order."""
    return sorted(_select("where starts_with(target_table, %s)", f"{schema}.").values())


def _select(where: str = "", *parameters: object) -> dict[tuple[str, str], str]:
    """The update_ids of the markers that a condition picks, by table and batch; none before the first load."""
    query = f"select target_table, batch, update_id from {Marker.marker_table} {where}"
    rows = warehouse.retried("markers", partial(_rows, query, parameters))
    return {(table, batch): update_id for table, batch, update_id in rows}


def _rows(query: str, parameters: Sequence[object]) -> list[tuple[str, str, str]]:
    with warehouse.reading() as cursor:
        try:
            cursor.execute(query, parameters)
        except UndefinedTable:
            return []
        return cursor.fetchall()
