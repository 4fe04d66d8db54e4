"""Markers: rows of etl.table_updates that say what a table of the warehouse was loaded from."""

from luigi.contrib.postgres import PostgresTarget
from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse
from luigi_tasks.checkpoints import BuiltFrom, why_changed


class Marker(PostgresTarget):
    """The marker of one table and batch: its `update_id` carries the fingerprints of what was loaded.

    There is one marker a table and batch, touched in the load's own transaction, so that rows and marker are there
    together or not at all. Deleting the row makes the load run again.
    """

    marker_table = "etl.table_updates"

    def __init__(self, table: str, batch: str, built_from: BuiltFrom) -> None:
        listed = ",".join(f"{name}={value}" for name, value in sorted(built_from.items()))
        super().__init__("", "", "", "", table, update_id=f"{table}/{batch}#{listed}")
        self.batch = batch
        self.built_from = built_from

    def __str__(self) -> str:
        return f"{self.marker_table}: {self.table}, {self.batch}"

    def exists(self, connection: Connection | None = None) -> bool:
        return self.why_stale() is None

    def why_stale(self) -> str | None:
        """Why the table does not hold what it should, None when it does."""
        recorded = self.recorded()
        return "its marker is missing" if recorded is None else why_changed(recorded, self.built_from)

    def recorded(self) -> BuiltFrom | None:
        """What the table was last loaded from; None where nothing tells."""
        found = _rows("where target_table = %s and batch = %s", self.table, self.batch)
        return dict(pair.split("=", 1) for pair in found[0].rsplit("#", 1)[1].split(",")) if found else None

    def clear(self, cursor: Cursor) -> None:
        """Take the marker away within the transaction of `cursor`."""
        cursor.execute(
            f"delete from {self.marker_table} where target_table = %s and batch = %s", (self.table, self.batch)
        )

    def touch(self, cursor: Cursor) -> None:  # type: ignore[override]  # a cursor of the load's transaction is all it needs
        """Write the marker within the transaction of `cursor`, in place of the one before."""
        self.clear(cursor)
        cursor.execute(
            f"insert into {self.marker_table} (update_id, target_table, batch) values (%s, %s, %s)",
            (self.update_id, self.table, self.batch),
        )


def loaded(schema: str) -> list[str]:
    """The update_ids of all loads into a schema's tables, in a fixed order."""
    return sorted(_rows("where starts_with(target_table, %s)", f"{schema}."))


def _rows(where: str, *parameters: str) -> list[str]:
    """The update_ids of the markers that a condition picks; none before the first load."""
    with warehouse.reader().cursor() as cursor:
        try:
            cursor.execute(f"select update_id from {Marker.marker_table} {where}", parameters)
        except UndefinedTable:
            return []
        return [update_id for (update_id,) in cursor.fetchall()]
