"""Servers that go quiet, and those that only take long."""

import io
import os
import threading
import time
from collections.abc import Callable, Iterator

import luigi
import psycopg2
import pytest
from external import ExternalServer, external_server
from line import HOST, Line, line_to

from luigi_tasks import config, warehouse
from luigi_tasks.errors import TransientError
from luigi_tasks.warehouse import session, silence

SILENCE = 1
"""Seconds, of silence_timeout."""
SECONDS = 10
"""Within which a session without a sign of life has to have ended."""


@pytest.fixture(scope="module")
def server() -> Iterator[ExternalServer]:
    with external_server() as running:
        running.rows("create database far")
        yield running


@pytest.fixture
def line(server: ExternalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """The line by which the variables lead to the server."""
    warehouse.close()
    for name, value in (("silence_timeout", SILENCE), ("connect_timeout", 2)):
        set_limit(name, value)
    socket_file = f"{server.variables['PGHOST']}/.s.PGSQL.{server.variables['PGPORT']}"
    with line_to(socket_file) as opened:
        for name, value in server.lead_to("far", "socialmart").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PGHOST", HOST)
        monkeypatch.setenv("PGPORT", str(opened.port))
        yield opened
        opened.resume()
        warehouse.close()
    luigi.configuration.get_config().remove_section("warehouse")
    config.read_section_once.cache_clear()


def set_limit(name: str, value: int) -> None:
    luigi.configuration.get_config().set("warehouse", name, str(value))
    config.read_section_once.cache_clear()


def after(seconds: float, action) -> None:
    threading.Timer(seconds, action).start()


class Endless(io.RawIOBase):
    """Rows without end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        buffer[:2] = b"1\n"
        return 2


class TwoRows(io.RawIOBase):
    """Two rows, and what is done before the second."""

    def __init__(self, between: Callable[[], None]) -> None:
        self._rows = iter([(lambda: None, b"1\n"), (between, b"2\n")])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        act, row = next(self._rows, (lambda: None, b""))
        act()
        buffer[: len(row)] = row
        return len(row)


def run(sql: str) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute(sql)


def read() -> None:
    with warehouse.reading() as cursor:
        cursor.execute("select 1")


def copy(rows: io.RawIOBase) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute("create table if not exists public.numbers (number integer)")
        cursor.copy_expert("copy public.numbers from stdin", rows)


def commit_late(line: Line) -> None:
    with warehouse.transaction() as cursor:
        cursor.execute("create table if not exists public.numbers (number integer)")
        line.stop()


def must_end(work, *arguments) -> str:
    """The message with which work on a quiet line ends in time."""
    began = time.monotonic()
    with pytest.raises(TransientError, match="the server cannot be reached") as raised:
        work(*arguments)
    assert SILENCE / 2 < time.monotonic() - began < SECONDS
    return str(raised.value)


def test_long_statement__is_not_silence(line: Line):
    run(f"select pg_sleep({SILENCE * 4})")


def test_statement_that_waits_for_a_lock__is_not_silence(line: Line, server: ExternalServer):
    run("create table if not exists public.held (number integer)")
    after(0, lambda: server.rows(f"begin; lock table public.held; select pg_sleep({SILENCE * 3}); commit", "far"))
    time.sleep(0.3)
    run("lock table public.held")


def test_stopped_line__ends_a_statement(line: Line):
    run("select 1")
    after(0.5, line.stop)
    must_end(run, "select pg_sleep(600)")


def test_stopped_line__ends_a_copy(line: Line):
    run("select 1")
    after(0.5, line.stop)
    must_end(copy, Endless())


def test_stopped_line__ends_a_commit(line: Line):
    must_end(commit_late, line)


def test_stopped_line__ends_a_read_of_a_session_long_idle(line: Line):
    with warehouse.reading() as cursor:
        cursor.execute("select 1")
    line.stop()
    time.sleep(SILENCE * 1.5)
    must_end(read)


def test_forgotten_connection__is_ended_on_both_sides(line: Line, server: ExternalServer, caplog):
    run("create table if not exists public.numbers (number integer)")

    def lose_connections() -> None:
        line.lose_connections()
        time.sleep(0.5)

    must_end(copy, TwoRows(lose_connections))
    assert f"and {silence.WAITS_FOR_US}" in caplog.text
    run("set local lock_timeout = '2s'; lock table public.numbers")  # which that session had locked


def test_finished_statement_whose_answer_was_lost__is_done_again(line: Line, caplog):
    run("select 1")
    after(0.5, line.lose_connections)
    must_end(run, "select pg_sleep(1)")
    assert f"and {silence.WAITS_FOR_US}" in caplog.text


def test_session_that_the_server_has_ended__is_ended_here(line: Line, server: ExternalServer, caplog):
    run("select 1")
    end = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep(600%'"
    after(0.5, line.lose_connections)
    after(0.8, lambda: server.rows(end, "far"))
    must_end(run, "select pg_sleep(600)")
    assert f"and {silence.GONE}" in caplog.text


def test_server_that_does_not_say__is_waited_for_as_long_as_a_statement_may_take(line: Line, monkeypatch, caplog):
    set_limit("statement_timeout", 2)
    monkeypatch.setattr(silence, "_find_reason", lambda session: None)
    run("select 1")
    after(0.2, line.stop)
    began = time.monotonic()
    must_end(run, "set statement_timeout = 0; select pg_sleep(600)")
    assert time.monotonic() - began > 2
    assert f"and {silence.OVER_LIMIT}" in caplog.text


def test_fork__watches_its_own_sessions(line: Line):
    run("select 1")
    child = os.fork()
    if child == 0:
        try:
            run("select 1")
            after(0.5, line.stop)
            must_end(run, "select pg_sleep(600)")
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    line.resume()
    assert status == 0
    run("select 1")  # the parent's session was not touched


def test_closed_sessions__are_forgotten(line: Line):
    for _ in range(3):
        warehouse.open_session().close()
    time.sleep(SILENCE)
    assert len([watched for watched in silence._watched if watched.connection() is None]) == 0


def test_line_that_stops_right_after_the_login__ends_the_session(line: Line, monkeypatch):
    list_settings = session._list_settings
    monkeypatch.setattr(session, "_list_settings", lambda opened: line.stop() or list_settings(opened))
    with pytest.raises(psycopg2.OperationalError):
        warehouse.open_session()
