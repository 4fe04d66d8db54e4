"""A server that PG* variables name, for projects to be run on as on anybody's: other roles, settings and objects."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from luigi_tasks.warehouse.embedded.server import lease_server


class ExternalServer:
    """A server with nothing in it; `variables` lead to it."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables

    def lead_to(self, database: str, user: str) -> dict[str, str]:
        """The variables that lead a role to a database."""
        return {**self.variables, "PGDATABASE": database, "PGUSER": user}

    def rows(self, sql: str, database: str = "postgres", user: str = "socialmart") -> list[tuple[Any, ...]]:
        """The rows of statements, each a transaction of its own unless it is several in one."""
        where = {"host": self.variables["PGHOST"], "port": self.variables["PGPORT"], "client_encoding": "UTF8"}
        opened = psycopg2.connect(dbname=database, user=user, options="-c timezone=UTC -c exit_on_error=off", **where)
        with closing(opened) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    def marts(self, database: str) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of every mart, without masks, in a fixed order."""
        names = self.rows("select relname from pg_class where relnamespace = 'marts_personal'::regnamespace", database)
        return {
            name: sorted(self.rows(f"select * from marts_personal.{name}", database), key=repr)
            for (name,) in sorted(names)
        }


@contextmanager
def external_server() -> Iterator[ExternalServer]:
    """Run a server during the block. Not below pytest's folder: the server's account must reach it."""
    place = Path(tempfile.mkdtemp(prefix="socialmart-"))
    place.chmod(0o755)
    server = lease_server(place / "postgres")
    try:
        yield ExternalServer(server.parameters)
    finally:
        server.release()
        shutil.rmtree(place)
