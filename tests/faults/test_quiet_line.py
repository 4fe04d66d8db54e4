"""A line to the server that goes quiet in the middle of a run: the run ends, says why, and the next does the rest."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from external import ExternalServer, external_server
from line import HOST, Line, line_to
from project import MakeProject, Process, Project, wait_for

SILENCE = 3
LIMITS = {"silence_timeout": SILENCE, "connect_timeout": 2, "retries": 2, "retry_seconds": 5}
SECONDS_TO_END = 90
SECONDS_AFTER_SIGTERM = 30
LUIGI_FAILED = 30
USERS = [{"user_id": f"u{number}", "posts": [{"post_id": f"p{number}"}]} for number in range(50)]
DAWDLE = """
create or replace function public.dawdle() returns trigger language plpgsql as
'begin perform pg_sleep(2); return null; end';
create or replace trigger dawdle after insert on {table} execute function public.dawdle()
"""


@dataclass(frozen=True)
class Far:
    """A project with a warehouse at the end of a line, and one batch in it."""

    project: Project
    server: ExternalServer
    line: Line
    variables: dict[str, str]

    def start(self) -> Process:
        return self.project.start(**self.variables)

    def run(self) -> int:
        return self.project.run(**self.variables).code

    def waits_in(self, query: str) -> None:
        """Wait until a session of the run is in a query for some time."""
        found = (
            f"select 1 from pg_stat_activity where state = 'active' and query ilike '{query}' "
            "and application_name like 'socialmart%' and query_start < now() - interval '0.3 s'"
        )
        wait_for(query, lambda: self.server.rows(found, "far"), 60)


@pytest.fixture(scope="module")
def far(make_project: MakeProject) -> Iterator[Far]:
    with external_server() as server:
        server.rows("create database far")
        with line_to(f"{server.variables['PGHOST']}/.s.PGSQL.{server.variables['PGPORT']}") as line:
            project = make_project({"warehouse": LIMITS})
            project.land("2026-01-01.json", USERS)
            variables = {**server.lead_to("far", "socialmart"), "PGHOST": HOST, "PGPORT": str(line.port)}
            far = Far(project, server, line, variables)
            assert far.run() == 0
            yield far


@pytest.mark.parametrize(
    ("table", "query"),
    [("raw_data.users", "copy raw_data.users%"), ("core.dim_users", "%dim_users%")],
    ids=["COPY", "dbt"],
)
def test_line_that_goes_quiet__ends_the_run_and_the_next_is_right(far: Far, table: str, query: str):
    name = f"{table}-{time.monotonic_ns()}"
    far.project.land("2026-01-02.json", [{"user_id": name}])
    far.server.rows(DAWDLE.format(table=table), "far")
    process = far.start()
    far.waits_in(query)
    far.line.stop()
    output = process.communicate(timeout=SECONDS_TO_END)[0].decode()
    far.line.resume()
    far.server.rows(f"drop trigger if exists dawdle on {table}", "far")
    assert process.returncode == LUIGI_FAILED, output
    assert "Traceback" not in output
    assert "the server cannot be reached" in output
    assert "the run ended with exit code 30" in output.splitlines()[-1]
    assert far.run() == 0
    found = far.server.rows(f"select 1 from marts_personal.user_engagement_mart where user_id = '{name}'", "far")
    assert found == [(1,)]


def is_there(group: int) -> bool:
    """Whether a process group has processes."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_quiet_line__is_no_reason_not_to_end_when_told(far: Far, number: signal.Signals):
    far.project.set({"warehouse": {"silence_timeout": 3600}})
    far.project.land("2026-01-03.json", [{"user_id": f"{number.name}-{time.monotonic_ns()}"}])
    far.server.rows(DAWDLE.format(table="raw_data.users"), "far")
    process = far.start()
    far.waits_in("copy raw_data.users%")
    far.line.stop()
    began = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=SECONDS_AFTER_SIGTERM)
    assert time.monotonic() - began < SECONDS_AFTER_SIGTERM
    assert process.returncode == 128 + number
    wait_for("the end of all its processes", lambda: not is_there(process.pid), 10)
    far.line.resume()
    far.server.rows("drop trigger if exists dawdle on raw_data.users", "far")
    far.project.set({"warehouse": LIMITS})
    assert far.run() == 0
