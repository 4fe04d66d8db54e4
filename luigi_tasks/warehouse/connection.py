"""The warehouse: the PostgreSQL that the usual PG* variables name, or the embedded one where they name none."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import lock_holders, server_errors
from luigi_tasks.warehouse.embedded import location
from luigi_tasks.warehouse.embedded.server import EmbeddedPostgres, acquire

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
    return location.existing(paths.embedded_postgres().resolve())


def hold() -> None:
    """Have the embedded server, where that is the warehouse, run until this process and its workers end."""
    if not is_named():
        embedded()


def variables() -> dict[str, str]:
    """The PG* variables that make libpq connect to the warehouse, for a child that needs it."""
    named = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    return named if is_named() else named | embedded().parameters


def connect() -> Connection:
    """A new connection; an embedded server that was killed is started again for it.

    Raises PipelineError where the server is missing, refuses, or is too old.
    """
    try:
        connection = _open()
    except psycopg2.OperationalError as error:
        kind = server_errors.kind_of(error) or server_errors.OTHER
        raise server_errors.as_pipeline_error("warehouse: cannot connect: ", kind, str(error)) from error
    if connection.server_version < OLDEST_VERSION * 10_000:
        version = connection.server_version // 10_000
        connection.close()
        raise PipelineError(f"warehouse: PostgreSQL {version} found, at least {OLDEST_VERSION} expected")
    return connection


def _open() -> Connection:
    settings = config.read_section(config.warehouse)
    open_ = partial(
        psycopg2.connect,
        connect_timeout=settings.connect_timeout,
        application_name=application_name(),
        options=f"-c timezone=UTC {session_options()}",
    )
    if is_named():
        return open_()
    where = _as_arguments(embedded().parameters)
    try:
        return open_(**where)
    except psycopg2.OperationalError:
        embedded().bring_back()
        return open_(**where)


def application_name() -> str:
    """What the server shows of a session's origin: this program, and its run, where it is one."""
    return f"socialmart {os.environ.get(run_id.VARIABLE, '')}".strip()


def session_options() -> str:
    """What every session on the warehouse is started with, dbt's too."""
    return f"-c lock_timeout={config.read_section(config.warehouse).lock_timeout}s"


def _as_arguments(named: dict[str, str]) -> dict[str, Any]:
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    return {names[name]: value for name, value in named.items()}


def reader() -> Connection:
    """This process's connection for short reads, each a transaction of its own."""
    connection = _kept(_readers)
    connection.autocommit = True
    return connection


@contextmanager
def reading() -> Iterator[Cursor]:
    """A cursor for short reads."""
    connection = reader()
    with _in_sentences(connection), connection.cursor() as cursor:
        yield cursor


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
    with _in_sentences(connection):
        try:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise


@contextmanager
def _in_sentences(connection: Connection) -> Iterator[None]:
    """Have the server's errors come as PipelineErrors, but for those that are the program's own."""
    try:
        yield
    except psycopg2.Error as error:
        kind = server_errors.SERVER_GONE if connection.closed else server_errors.kind_of(error)
        if kind is None:
            raise
        holders = f"; {find_lock_holders()}" if kind is server_errors.LOCKED else ""
        raise server_errors.as_pipeline_error("", kind, str(error), holders) from error


def find_lock_holders() -> str:
    """A sentence that says whose locks are in the way, right after they were."""
    with reading() as cursor:
        return lock_holders.in_the_way(cursor, config.read_section(config.warehouse).lock_timeout)


def drop() -> None:
    """Forget this process's connections, which may lead nowhere by now."""
    for connections in (_readers, _writers):
        connections.clear()
