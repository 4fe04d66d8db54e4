"""The dashboard: luigid on this machine, with its task history in the warehouse."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from luigi_tasks import paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.runs import scheduler
from luigi_tasks.warehouse import migrations

HOST = "127.0.0.1"
"""The address that luigid listens on. luigid asks for no password and lets anyone change its state: users of other
machines reach it through a proxy with a login, and another address is for private networks only, as in containers."""
HISTORY_SCHEMA = "luigi_history"
"""The schema of the task history: luigid finds its tables there by the search path of its sessions."""

SECONDS_TO_START = 60
POLL_SECONDS = 0.1


@contextmanager
def run_luigid(address: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run luigid, and the embedded warehouse with it, while the block lasts. Gives the process of luigid, once it
    listens.

    Raises PipelineError if it cannot listen there.
    """
    require_free_port(address, port)
    warehouse.hold_embedded()
    with warehouse.transaction() as cursor:
        migrations.create_schema(cursor, HISTORY_SCHEMA)
    state = log.with_suffix(".state")
    argv = [str(Path(sys.executable).with_name("luigid")), "--address", address, "--port", str(port)]
    variables = warehouse.get_libpq_variables(search_path=HISTORY_SCHEMA)
    environ = child_process.environment(**variables, LUIGI_CONFIG_PATH=str(paths.LUIGID_SETTINGS))
    process = child_process.start([*argv, "--state-path", str(state)], environ, log)
    try:
        _wait(process, address, port, log)
        yield process
    finally:
        child_process.end_group(process)


def _wait(process: subprocess.Popen[bytes], address: str, port: int, log: Path) -> None:
    """Wait until luigid listens. Raises PipelineError if it ends before, or takes too long."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        if scheduler.is_listening(address, port):
            return
        time.sleep(POLL_SECONDS)
    raise PipelineError(
        f"dashboard: nothing listens on {address}:{port}; correct --address or --port; the end of {log}:\n"
        f"{child_process.tail(log)}"
    )


def require_free_port(address: str, port: int) -> None:
    """Raise PipelineError if something listens on a port already."""
    if scheduler.is_listening(address, port):
        raise PipelineError(f"port {port} of {address} is in use; stop what listens there, or choose another by --port")
