"""One world for all faults, each of which sets it back first; and the table of what became of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from project import projects
from world import ALL, Trial, World, as_table

ONE_IN = 24
"""So many are tried unless all are to be: minutes instead of three quarters of an hour."""

trials: list[Trial] = []


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with projects() as make:
        yield World(make(), trials)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("faults")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    faults = [item for item in items if Path(__file__).parent in item.path.parents]
    if not ALL and len(faults) > ONE_IN:
        left_out = set(faults) - set(faults[::ONE_IN])
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if trials:
        terminalreporter.section("faults")
        terminalreporter.write_line(as_table(trials))
