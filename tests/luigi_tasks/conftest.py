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
