"""The dashboard: luigid on this machine, its task history in the warehouse."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from luigi_tasks import paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.runs import scheduler
from luigi_tasks.warehouse import migrations

HOST = "127.0.0.1"
"""luigid asks nobody for a password, and changes what it is told to: others reach it through a proxy with a login. So
another address to listen on is for a private network only, as that of the containers."""
HISTORY = "luigi_history"


@contextmanager
def running(address: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """luigid, and the embedded warehouse with it, while the block lasts."""
    if scheduler.is_listening(address, port):
        raise PipelineError(f"port {port} of {address} is taken; end what listens there, or name another with --port")
    warehouse.hold_embedded()
    with warehouse.transaction() as cursor:
        migrations.create_schema(cursor, HISTORY)
    state = log.with_suffix(".state")
    argv = [str(Path(sys.executable).with_name("luigid")), "--address", address, "--port", str(port)]
    environ = child_process.environment(**warehouse.get_libpq_variables(), LUIGI_CONFIG_PATH=str(paths.LUIGID_SETTINGS))
    process = child_process.start([*argv, "--state-path", str(state)], environ, log)
    try:
        yield process
    finally:
        child_process.end_group(process)
