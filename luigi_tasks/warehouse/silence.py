"""Silence: ends sessions whose server, or the way to it, has gone quiet while a statement runs.

The kernel's keepalives find a machine that is gone, but not a proxy that still takes packets and passes none on. So a
thread of each process asks the server about a quiet session, over a connection of its own. A session that is ended
raises psycopg2.OperationalError where it waits, as any lost connection does.
"""

import logging
import os
import select
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_WRITE, TRANSACTION_STATUS_ACTIVE
from psycopg2.extensions import connection as Connection

from luigi_tasks import config
from luigi_tasks.warehouse import server_errors

LOOKS = 6
"""How often a session is looked at within silence_timeout: that much longer a silence may last."""
DATA_TIMES = struct.Struct("=44xI4xI")
"""Of the kernel's tcp_info (linux/tcp.h): milliseconds since data was last sent, and since data last came."""
STATE = "select state, wait_event_type from pg_catalog.pg_stat_activity where pid = %s"
END = "select pg_catalog.pg_terminate_backend(%s)"
"""Gives the session's locks back, for which the next attempt would wait."""

NOT_REACHED = "the server cannot be reached any more"
GONE = "the server has no such session any more"
WAITS_FOR_US = "the server waits for this program"
OVER_LIMIT = "the statement should have been cancelled by [warehouse] statement_timeout"

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class WatchedSession:
    """A session. `connect` opens another connection to its server, which does not block."""

    connection: weakref.ref[Connection]
    connect: Callable[[], Connection]
    socket: socket.socket
    """A duplicate, which stays this connection's however that is closed meanwhile."""
    pid: int | None = None
    """Of its process on the server."""
    busy_since: float | None = None
    seen_waiting: bool = False


_watched: list[WatchedSession] = []
_has_more = threading.Event()
_thread: threading.Thread | None = None


def watch_session(connection: Connection, connect: Callable[[], Connection]) -> WatchedSession:
    """End the session once a statement of it has been without a sign of life for longer than silence_timeout.

    The caller sets the `pid` of what is returned, once the server has told it: libpq's may be that of a pooler.
    """
    global _thread
    session = WatchedSession(weakref.ref(connection), connect, socket.socket(fileno=os.dup(connection.fileno())))
    _watched.append(session)
    _has_more.set()
    if _thread is None:
        _thread = threading.Thread(target=_watch, name="silence", daemon=True)
        _thread.start()
    return session


def _forget_all() -> None:
    """Begin without sessions: a fork has its parent's, and not its thread."""
    global _thread, _has_more
    for session in _watched:
        session.socket.close()
    _watched.clear()
    _has_more = threading.Event()  # the parent's thread may have held its lock
    _thread = None


os.register_at_fork(after_in_child=_forget_all)


def _watch() -> None:
    while True:
        _has_more.wait(config.read_section(config.warehouse).silence_timeout / LOOKS)
        _has_more.clear()
        for session in list(_watched):
            connection = session.connection()
            if connection is None or connection.closed:
                session.socket.close()
                _watched.remove(session)
            elif connection.info.transaction_status != TRANSACTION_STATUS_ACTIVE:
                session.busy_since, session.seen_waiting = None, False
            else:
                _look_at(session)
            del connection  # it is closed where nobody else holds it


def _look_at(session: WatchedSession) -> None:
    """End a session with a statement at work where there has been silence for too long, and no good reason for it."""
    settings = config.read_section(config.warehouse)
    session.busy_since = session.busy_since or time.monotonic()
    silence = time.monotonic() - session.busy_since
    moved = _seconds_since_data(session.socket)
    if moved is not None:
        silence = min(silence, moved)
    if silence < settings.silence_timeout:
        session.seen_waiting = False
        return
    reason = _find_reason(session)
    if reason == WAITS_FOR_US and (moved is None or not session.seen_waiting):
        session.seen_waiting, reason = True, None  # the answer may be on its way
    if reason is None and silence > settings.statement_timeout + settings.silence_timeout:
        reason = OVER_LIMIT
    if reason:
        logger.warning(
            "warehouse: no sign of life for %s s, and %s; the connection is given up", round(silence), reason
        )
        if reason != NOT_REACHED:
            with suppress(TimeoutError, psycopg2.Error):
                _ask(session, END)
        with suppress(OSError):
            session.socket.shutdown(socket.SHUT_RDWR)


def _seconds_since_data(connected: socket.socket) -> float | None:
    """Seconds since data was sent or came; None where the kernel does not say."""
    if connected.family == socket.AF_UNIX or not hasattr(socket, "TCP_INFO"):
        return None
    return min(DATA_TIMES.unpack_from(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))) / 1000


def _find_reason(session: WatchedSession) -> str | None:
    """Why a session without a sign of life is to be ended; None where the server is at work, or does not tell."""
    try:
        rows = _ask(session, STATE)
    except TimeoutError:
        return NOT_REACHED
    except psycopg2.Error as error:
        return NOT_REACHED if server_errors.classify_error(error) is server_errors.SERVER_GONE else None
    if not rows:
        return GONE if session.pid else None
    [(state, wait)] = rows
    return WAITS_FOR_US if wait == "Client" or (state or "").startswith("idle") else None


def _ask(session: WatchedSession, sql: str) -> list[tuple[str | None, ...]]:
    """The rows of a query about the session. Raises TimeoutError where that takes longer than a connection may."""
    until = time.monotonic() + max(config.read_section(config.warehouse).connect_timeout, 1)
    with closing(session.connect()) as connection:
        _wait(connection, until)
        with connection.cursor() as cursor:
            cursor.execute(sql, (session.pid,))
            _wait(connection, until)
            return list(cursor.fetchall())


def _wait(connection: Connection, until: float) -> None:
    """Wait until a connection that does not block has done what it was told."""
    while (state := connection.poll()) != POLL_OK:
        left = until - time.monotonic()
        sides = ([], [connection]) if state == POLL_WRITE else ([connection], [])
        if left <= 0 or not any(select.select(*sides, [], left)):
            raise TimeoutError
