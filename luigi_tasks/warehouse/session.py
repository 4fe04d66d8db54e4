"""Sessions: what every session on the warehouse has in common, whichever program opens it.

Where the server is and how to log in is up to libpq: its variables, service and password files all count. What a
session's meaning hangs on is set here, after login and so after every setting of a role, a database or a variable:
no such setting changes a number or a letter. psycopg2 and dbt get their sessions from `open_session`; programs that
open their own (psql, pg_dump, luigid) get `make_variables`.
"""

import os
from collections.abc import Mapping
from functools import partial

import psycopg2
from psycopg2.errors import QueryCanceled
from psycopg2.extensions import connection as Connection

from luigi_tasks import config, run_id
from luigi_tasks.warehouse import layers, silence

ENCODING = "UTF8"
"""Of the client and of the database: COPY sends the checkpoints' bytes as they are."""
MEANING = {
    "quote_all_identifiers": "off",
    "search_path": "pg_catalog",  # no function, operator or table that others made is ever meant
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_numeric": "C",
    "lc_time": "C",
    "row_security": "off",  # a policy that would hide rows is an error
    "exit_on_error": "off",
    "default_transaction_isolation": "read committed",
    "default_table_access_method": "heap",
}
"""Settings on which results depend. Left alone: read-only, where tables are placed, memory and planning."""
VARIABLES = {"PGCLIENTENCODING": ENCODING, "PGTZ": MEANING["timezone"], "PGDATESTYLE": MEANING["datestyle"]}
"""Variables of libpq that would override PGOPTIONS."""
KEEPALIVES = 3
"""Unanswered keepalives after which a connection counts as lost; the first comes after half of silence_timeout."""


def open_session(layer: str | None = layers.LOADER, **where: str) -> Connection:
    """Open a session of a layer, or of the login itself, on the server that libpq's variables name.

    Arguments of libpq in `where` come before the variables.

    Raises psycopg2.OperationalError where the server is missing or refuses it, PipelineError where there is no such
    role, or the login may not enter it.
    """
    connection = _connect(where)
    try:
        if connection.info.parameter_status("standard_conforming_strings") != "on":  # psycopg2 quotes as at login
            connection = _reconnect(connection, where, "standard_conforming_strings=on")
        try:
            _set_up(connection, where, layer)
        except QueryCanceled:  # the role's statement_timeout is too short for the statement that replaces it
            connection = _reconnect(connection, where, "statement_timeout=0")
            _set_up(connection, where, layer)
    except BaseException:
        connection.close()
        raise
    return connection


def _reconnect(connection: Connection, where: Mapping[str, str], setting: str) -> Connection:
    """Close a connection, and open one in which a setting counts from the login on."""
    options = connection.info.dsn_parameters.get("options", "")
    connection.close()
    return _connect({**where, "options": f"{options} -c {setting}"})


def _set_up(connection: Connection, where: Mapping[str, str], layer: str | None) -> None:
    """Give a session the settings that all have and the role of its layer, and have it watched."""
    connection.autocommit = True
    if layer:
        with connection.cursor() as cursor:
            layers.enter(cursor, layer)
    watched = silence.watch_session(connection, partial(_connect, where, async_=True))
    with connection.cursor() as cursor:
        settings = "; ".join(f"set {name} = '{value}'" for name, value in _list_settings(connection).items())
        cursor.execute(f"{settings}; select pg_backend_pid()")
        [(watched.pid,)] = cursor.fetchall()
    connection.autocommit = False


def _connect(where: Mapping[str, str], **how: bool) -> Connection:
    settings = config.read_section(config.warehouse)
    return psycopg2.connect(
        client_encoding=ENCODING,
        connect_timeout=settings.connect_timeout,
        application_name=application_name(),
        keepalives=1,
        keepalives_idle=max(settings.silence_timeout // 2, 1),
        keepalives_interval=max(settings.silence_timeout // 2 // KEEPALIVES, 1),
        keepalives_count=KEEPALIVES,
        tcp_user_timeout=settings.silence_timeout * 1000,
        **where,
        **how,
    )


def _list_settings(connection: Connection) -> dict[str, str]:
    """MEANING, and the limits of a session: those of roles and databases are not made for loads and rebuilds."""
    settings = config.read_section(config.warehouse)
    limits = {
        "lock_timeout": f"{settings.lock_timeout}s",
        "statement_timeout": f"{settings.statement_timeout}s",
        "idle_in_transaction_session_timeout": f"{settings.statement_timeout}s",
        "idle_session_timeout": "0",
    }
    if connection.server_version >= 17_00_00:
        limits["transaction_timeout"] = "0"
    # The server's side of the line: it gives back the locks of a session whose client is gone.
    limits |= {
        "tcp_keepalives_idle": f"{max(settings.silence_timeout // 2, 1)}",
        "tcp_keepalives_interval": f"{max(settings.silence_timeout // 2 // KEEPALIVES, 1)}",
        "tcp_keepalives_count": f"{KEEPALIVES}",
        "tcp_user_timeout": f"{settings.silence_timeout}s",
    }
    return MEANING | limits


def make_variables(named: Mapping[str, str], **changed: str) -> dict[str, str]:
    """libpq's variables for a program that opens its own sessions: those `named`, and MEANING with what is `changed`.

    The options that were set before stay; ours come last and so win. With roles they are sessions of the loader.
    """
    role = layers.name_role(layers.LOADER)
    settings = MEANING | ({"role": role} if role else {}) | changed
    ours = " ".join(f"-c {name}={_escape(value)}" for name, value in settings.items())
    options = f"{named.get('PGOPTIONS', '')} {ours}".strip()
    return {**named, **VARIABLES, "PGOPTIONS": options}


def _escape(value: str) -> str:
    """A value as one word of PGOPTIONS."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def application_name() -> str:
    """The name under which the server lists a session: this program, and its run, if it is one."""
    return f"socialmart {os.environ.get(run_id.VARIABLE, '')}".strip()
