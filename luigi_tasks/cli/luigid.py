"""The dashboard: luigid on this machine, with its task history in the warehouse."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from luigi_tasks import paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process, environment
from luigi_tasks.runs import dashboard_token, scheduler
from luigi_tasks.warehouse import migrations
from luigi_tasks.warehouse.schema_names import LUIGI_HISTORY

HOST = "127.0.0.1"
"""The address that luigid listens on. It asks for no password to read what it shows: users of other machines reach it
through a proxy with a login, and another address is for private networks only, as in containers."""
SECONDS_TO_START = 60
POLL_SECONDS = 0.1
NAMES_VARIABLE = "SOCIALMART_DASHBOARD_NAMES"
"""Environment variable for luigid: its names, separated by commas."""


@contextmanager
def run_luigid(address: str, port: int, log: Path, names: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Run luigid behind its guard, and the embedded warehouse with it, while the block lasts. Gives its process, once
    it listens.

    `names`: under which browsers ask for it, besides those of this machine. Raises PipelineError if it cannot listen.
    """
    require_free_port(address, port)
    warehouse.hold_embedded()
    with warehouse.transaction() as cursor:
        migrations.create_schema(cursor, LUIGI_HISTORY)
    state = log.with_suffix(".state")
    argv = [sys.executable, "-P", "-m", "luigi_tasks.cli.guarded_luigid", "--address", address, "--port", str(port)]
    variables = warehouse.get_libpq_variables(search_path=LUIGI_HISTORY) | {
        "LUIGI_CONFIG_PATH": str(paths.LUIGID_SETTINGS),
        dashboard_token.VARIABLE: dashboard_token.make_token(),
        NAMES_VARIABLE: ",".join([address, *names]),
    }
    environ = environment.make_environment(environment.LUIGID, **variables)
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
