"""Connections to the warehouse, which each process keeps: one for short reads, one for transactions."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import environment
from luigi_tasks.warehouse import layers, lock_holders, rights, server_errors, session
from luigi_tasks.warehouse.embedded import location
from luigi_tasks.warehouse.embedded.server import EmbeddedPostgres, lease_server

OLDEST_VERSION = 14
"""Major version of PostgreSQL."""

EMBEDDED_LINE = {"PGSSLMODE": "disable", "PGCHANNELBINDING": "disable"}
"""libpq's variables for the embedded server's socket, which encrypts nothing and asks for no password."""

_embedded: EmbeddedPostgres | None = None
_readers: dict[int, Connection] = {}
_writers: dict[int, Connection] = {}
"""The connections by process id: a fork finds its parent's here, and must not use them."""


def is_external() -> bool:
    """Whether the environment names a server, which is then used in place of the embedded one."""
    return any(environment.select_variables(environment.NAMING_VARIABLES).values())


def start_embedded() -> EmbeddedPostgres:
    """The embedded server, started when it is not running. Forked children use their parent's."""
    global _embedded
    if _embedded is None:
        _embedded = lease_server(paths.embedded_postgres())
    return _embedded


def find_embedded_home() -> Path | None:
    """The folder with the embedded server's data; None where there are none yet. Changes nothing.

    Raises PipelineError where it may not be entered.
    """
    folder = paths.embedded_postgres()
    try:
        return location.find_home(folder.resolve())
    except OSError as error:
        raise location.make_folder_error(folder, error) from error


def hold_embedded() -> None:
    """Keep the embedded server, where that is the warehouse, running until this process and its workers end."""
    if not is_external():
        start_embedded()


def get_libpq_variables(**settings: str) -> dict[str, str]:
    """The PG* variables with which a child process opens sessions on the warehouse; `settings` of them may differ."""
    named = environment.read_libpq_variables()
    return session.make_variables(named if is_external() else named | _list_embedded_variables(), **settings)


def _list_embedded_variables() -> dict[str, str]:
    """libpq's variables that lead to the embedded server, started when it is not running."""
    return start_embedded().parameters | EMBEDDED_LINE


def connect(layer: str | None = layers.LOADER) -> Connection:
    """Open a connection, in the role of a layer, or of the login itself. An embedded server that was killed is started
    again for it.

    Raises PipelineError where the server is missing, refuses the connection, or is none that the warehouse can be on.
    """
    try:
        connection = _open_connection(layer)
    except psycopg2.Error as error:
        kind = server_errors.classify_error(error) or server_errors.OTHER
        message = server_errors.quote_message(error)
        raise server_errors.make_pipeline_error("warehouse: cannot connect: ", kind, message) from error
    try:
        _require_usable(connection)
    except PipelineError:
        connection.close()
        raise
    return connection


def _open_connection(layer: str | None) -> Connection:
    if is_external():
        environment.read_libpq_variables()  # libpq reads them itself, and would quote what is no name
        return session.open_session(layer)
    arguments = _make_arguments(_list_embedded_variables())
    try:
        return session.open_session(layer, **arguments)
    except psycopg2.OperationalError:
        start_embedded().ensure_running()
        return session.open_session(layer, **arguments)


def _require_usable(connection: Connection) -> None:
    """Raise PipelineError where the server is too old, or the database cannot hold every text."""
    if connection.server_version < OLDEST_VERSION * 10_000:
        version = connection.server_version // 10_000
        raise PipelineError(f"warehouse: PostgreSQL {version} found, at least {OLDEST_VERSION} expected")
    encoding, database = connection.info.parameter_status("server_encoding"), connection.info.dbname
    if encoding != session.ENCODING:
        raise PipelineError(
            f"warehouse: database {database} has the encoding {encoding}, {session.ENCODING} expected; nothing was "
            f"changed; create database … encoding 'UTF8' template template0, and name it by PGDATABASE"
        )


def _make_arguments(variables: dict[str, str]) -> dict[str, str]:
    """libpq's variables as arguments of psycopg2.connect."""
    names = {
        **{"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"},
        **{"PGSSLMODE": "sslmode", "PGCHANNELBINDING": "channel_binding"},
    }
    return {names[name]: value for name, value in variables.items()}


def is_connected() -> bool:
    """Whether this process has a connection for short reads already."""
    connection = _readers.get(os.getpid())
    return connection is not None and not connection.closed


def get_reader() -> Connection:
    """This process's connection for short reads, each a transaction of its own."""
    connection = _get_connection(_readers)
    connection.autocommit = True
    return connection


@contextmanager
def reading() -> Iterator[Cursor]:
    """A cursor for short reads. Raises PipelineError or TransientError for errors of the server."""
    connection = get_reader()
    with _translate_errors(connection), connection.cursor() as cursor:
        yield cursor


@contextmanager
def transaction() -> Iterator[Cursor]:
    """A cursor in a transaction: committed where the block ends well, rolled back where it raises.

    Raises PipelineError or TransientError for errors of the server.
    """
    connection = _get_connection(_writers)
    with _translate_errors(connection):
        try:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()
        except BaseException:
            with suppress(psycopg2.Error):  # of a connection that is lost
                connection.rollback()
            raise


def _get_connection(connections: dict[int, Connection]) -> Connection:
    """This process's connection, opened where there is none: a fork opens one of its own."""
    connection = connections.get(os.getpid())
    if connection is None or connection.closed:
        connection = connect()
        connections.clear()
        connections[os.getpid()] = connection
    return connection


@atexit.register
def close() -> None:
    """Close this process's connections and give up its lease on the embedded server."""
    global _embedded
    for connections in (_readers, _writers):
        connection = connections.pop(os.getpid(), None)
        if connection is not None and not connection.closed:
            connection.close()
    if _embedded is not None:
        _embedded.release()
        _embedded = None


def forget_connections() -> None:
    """Have the next read or transaction open a new connection: the server of the present ones may be gone."""
    for connections in (_readers, _writers):
        connections.clear()


@contextmanager
def _translate_errors(connection: Connection) -> Iterator[None]:
    """Turn the server's errors into PipelineErrors, except those that are faults of this program's own SQL."""
    try:
        yield
    except psycopg2.Error as error:
        kind = server_errors.SERVER_GONE if connection.closed else server_errors.classify_error(error)
        if kind is None:
            raise
        raise server_errors.make_pipeline_error(
            "", kind, server_errors.quote_message(error), explain_error(kind)
        ) from error


def explain_error(kind: server_errors.Kind | None) -> str:
    """What the server can tell about an error of a kind, as the end of its message; empty if nothing."""
    if kind is server_errors.LOCKED:
        return f"; {describe_lock_holders()}"
    if kind is server_errors.FORBIDDEN:
        with suppress(psycopg2.Error, PipelineError), get_reader().cursor() as cursor:
            missing = rights.describe_missing(cursor)
            return f"; {missing}" if missing else ""
    return ""


def describe_lock_holders() -> str:
    """A sentence that names the sessions whose locks made a statement exceed lock_timeout just now."""
    with reading() as cursor, layers.acting_as_login(cursor):
        return lock_holders.describe_lock_holders(cursor, config.read_section(config.warehouse).lock_timeout)
