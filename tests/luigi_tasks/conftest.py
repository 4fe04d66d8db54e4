"""A warehouse for tests of what happens in it."""

import pytest

from luigi_tasks import warehouse


@pytest.fixture
def own_warehouse(tmp_path, monkeypatch):
    """An embedded server without anything in it."""
    for name in warehouse.NAMING_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("luigi_tasks.paths.embedded_postgres", lambda: tmp_path / "postgres")
    yield
    warehouse.close()
