"""The dbt project as a manifest, and dbt at work on a server of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dbt_commands import PROJECT, Dbt

from luigi_tasks import warehouse
from luigi_tasks.processes import environment
from luigi_tasks.processes.service_process import ServiceProcess
from luigi_tasks.warehouse import migrations
from luigi_tasks.warehouse.embedded.server import lease_server

DBT = Path(sys.executable).with_name("dbt")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The manifest of the project; parsing opens no connection, so any address will do."""
    target = tmp_path_factory.mktemp("dbt")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(target),
        "PGHOST": "localhost",
        "PGPORT": "5432",
        "PGUSER": "nobody",
        "PGDATABASE": "nothing",
        "DBT_TARGET_PATH": str(target / "target"),
        "DBT_LOG_PATH": str(target / "logs"),
    }
    command = [str(DBT), "parse", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    parsed = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert parsed.returncode == 0, parsed.stdout + parsed.stderr
    return json.loads((target / "target" / "manifest.json").read_text())


@pytest.fixture(scope="module")
def models(manifest: dict) -> dict:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    """The service of dbt, with a new server that has the tables of raw_data and etl."""
    folder = tmp_path_factory.mktemp("dbt")
    with ExitStack() as after, pytest.MonkeyPatch.context() as patch:
        place = Path(tempfile.mkdtemp(prefix="socialmart-"))  # not below pytest's, which the server may not enter
        after.callback(shutil.rmtree, place)
        place.chmod(0o755)
        server = lease_server(place / "postgres")
        after.callback(server.release)
        for name in [name for name in os.environ if name.startswith(("PG", "DBT_"))]:
            patch.delenv(name)
        for name, value in server.parameters.items():
            patch.setenv(name, value)
        warehouse.close()  # a connection kept by another module leads to another server
        after.callback(warehouse.close)
        argv = [sys.executable, "-m", "luigi_tasks.dbt.service", str(PROJECT), str(folder / "target")]
        environ = environment.make_environment(environment.DBT, **server.parameters)
        service = ServiceProcess("dbt", argv, environ, folder / "service.log")
        after.callback(service.close)
        service.start()
        migrations.apply()
        yield Dbt(service, folder)
