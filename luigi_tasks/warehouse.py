"""The warehouse: the PostgreSQL that the usual PG* variables name, or the embedded one where they name none."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, paths
from luigi_tasks.embedded_postgres import EmbeddedPostgres, acquire
from luigi_tasks.errors import PipelineError
from spark_jobs.schemas import TABLES

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


PREPARE_LOCK = 7_267_001
"""Advisory lock: concurrent CREATE … IF NOT EXISTS of one table collide."""

ETL_TABLES = """
create table if not exists etl.table_updates (
    update_id text primary key,
    target_table text not null,
    batch text not null,
    inserted timestamptz not null default now(),
    unique (target_table, batch)
);
create table if not exists etl.ledger (
    batch text not null,
    verdict text not null,
    entity text not null,
    measure text not null,
    read bigint not null,
    accepted bigint not null,
    rejected bigint not null,
    duplicate bigint not null,
    primary key (batch, entity, measure)
);
create table if not exists etl.runs (
    run_id text primary key,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    host text not null,
    outcome text not null,
    stages jsonb not null
);
create table if not exists etl.changed_batches (
    table_name text not null,
    batch text not null,
    in_work boolean not null default false,
    primary key (table_name, batch)
);
create table if not exists etl.replaced_keys (
    table_name text not null,
    id text not null,
    in_work boolean not null default false
);
"""


def prepare() -> None:
    """Make the schemas and tables that are not there yet."""
    with transaction() as cursor:
        cursor.execute("select to_regclass('etl.replaced_keys') is not null")
        if cursor.fetchone() == (True,):
            return
        cursor.execute("select pg_advisory_xact_lock(%s)", (PREPARE_LOCK,))
        cursor.execute("create schema if not exists raw_data; create schema if not exists etl")
        for table, columns in TABLES.items():
            listed = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
            cursor.execute(f"create table if not exists raw_data.{table} ({listed})")
            cursor.execute(f"drop index if exists raw_data.{table}_batch")
            cursor.execute(f'create index if not exists {table}_by_batch on raw_data.{table} (batch collate "C")')
        cursor.execute(ETL_TABLES)
