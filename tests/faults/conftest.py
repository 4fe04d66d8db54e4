"""One world for all faults, each of which sets it back first; and the table of what became of them."""

import os
from collections.abc import Iterator

import pytest
from project import projects
from world import Trial, World, as_table

ALL = os.environ.get("FAULTS") == "all"

trials: list[Trial] = []


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with projects() as make:
        yield World(make(), trials)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if trials:
        terminalreporter.section("faults")
        terminalreporter.write_line(as_table(trials))
