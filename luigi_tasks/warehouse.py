"""The warehouse: the PostgreSQL that the usual PG* variables name, or the embedded one where they name none."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, embedded_place, paths
from luigi_tasks.embedded_postgres import EmbeddedPostgres, acquire
from luigi_tasks.errors import PipelineError

NAMING_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGDATABASE", "PGUSER")
OLDEST_VERSION = 14

_embedded: EmbeddedPostgres | None = None
_readers: dict[int, Connection] = {}
_writers: dict[int, Connection] = {}


def is_named() -> bool:
    """Whether the environment names a server."""
    return any(os.environ.get(name) for name in NAMING_VARIABLES)


def embedded() -> EmbeddedPostgres:
    """The embedded server, started when it is not running; forked children use their parent's."""
    global _embedded
    if _embedded is None:
        _embedded = acquire(paths.embedded_postgres())
    return _embedded


def embedded_home() -> Path | None:
    """Where the embedded server's data are; None where it was not made yet. Makes nothing."""
    return embedded_place.existing(paths.embedded_postgres().resolve())


def hold() -> None:
    """Have the embedded server, where that is the warehouse, run until this process and its workers end."""
    if not is_named():
        embedded()


def variables() -> dict[str, str]:
    """The PG* variables that make libpq connect to the warehouse, for a child that needs it."""
    named = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    return named if is_named() else named | embedded().parameters


def connect() -> Connection:
    """A new connection. Raises PipelineError where the server is missing, refuses, or is too old."""
    settings = config.read(config.warehouse)
    where = {} if is_named() else _as_arguments(embedded().parameters)
    try:
        connection = psycopg2.connect(
            connect_timeout=settings.connect_timeout,
            application_name="socialmart",
            options=f"-c timezone=UTC -c lock_timeout={settings.lock_timeout}s",
            **where,
        )
    except psycopg2.OperationalError as error:
        raise PipelineError(
            f"warehouse: cannot connect ({' '.join(str(error).split())}); check PGHOST, PGPORT, PGUSER, PGPASSWORD "
            "and PGDATABASE, or unset them all to use the embedded server"
        ) from error
    if connection.server_version < OLDEST_VERSION * 10_000:
        version = connection.server_version // 10_000
        connection.close()
        raise PipelineError(f"warehouse: PostgreSQL {version} found, at least {OLDEST_VERSION} expected")
    return connection


def _as_arguments(named: dict[str, str]) -> dict[str, Any]:
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    return {names[name]: value for name, value in named.items()}


def reader() -> Connection:
    """This process's connection for short reads, each a transaction of its own."""
    connection = _kept(_readers)
    connection.autocommit = True
    return connection


def _kept(connections: dict[int, Connection]) -> Connection:
    """The connection of this process: a fork opens one of its own."""
    connection = connections.get(os.getpid())
    if connection is None or connection.closed:
        connections.clear()
        connections[os.getpid()] = connection = connect()
    return connection


@atexit.register
def close() -> None:
    """Give up this process's connections and its lease on the embedded server."""
    global _embedded
    for connections in (_readers, _writers):
        connection = connections.pop(os.getpid(), None)
        if connection is not None and not connection.closed:
            connection.close()
    if _embedded is not None:
        _embedded.release()
        _embedded = None


@contextmanager
def transaction() -> Iterator[Cursor]:
    """One transaction: committed when the block ends well, else nothing has happened."""
    connection = _kept(_writers)
    with connection, connection.cursor() as cursor:
        yield cursor
