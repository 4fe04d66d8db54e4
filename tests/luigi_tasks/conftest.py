"""A warehouse for tests of what happens in it."""

import pytest

from luigi_tasks import warehouse
from luigi_tasks.processes import environment


@pytest.fixture
def own_warehouse(tmp_path, monkeypatch):
    """An embedded server without anything in it."""
    for name in environment.NAMING_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("luigi_tasks.paths.embedded_postgres", lambda: tmp_path / "postgres")
    yield
    warehouse.close()


@pytest.fixture(scope="module")
def shared_warehouse(tmp_path_factory):
    """The same for all tests of a module, each of which replaces what it needs."""
    folder = tmp_path_factory.mktemp("warehouse")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in environment.NAMING_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("luigi_tasks.paths.embedded_postgres", lambda: folder / "postgres")
        yield
        warehouse.close()
