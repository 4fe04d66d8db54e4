"""A server with logins for the roles of a warehouse, and a database for each test."""

from collections.abc import Iterator

import pytest
from external import ExternalServer, external_server
from roled_warehouse import RoledWarehouse

from luigi_tasks import warehouse
from luigi_tasks.warehouse import layers


@pytest.fixture(scope="module")
def server() -> Iterator[ExternalServer]:
    with external_server() as running:
        running.rows("create role pipeline login; create role maker login createrole; create role stranger login")
        yield running


@pytest.fixture
def shared(server: ExternalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RoledWarehouse]:
    monkeypatch.setattr(layers, "name_role", lambda name: f"sm_{name}")
    server.rows("create database shared")
    yield RoledWarehouse(server, monkeypatch)
    warehouse.close()
    server.rows("drop database shared")
    for (role,) in server.rows("select rolname from pg_roles where rolname like 'sm\\_%'"):
        server.rows(f"drop role {role}")
