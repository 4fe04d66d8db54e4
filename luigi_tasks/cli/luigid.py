"""The dashboard: luigid on this machine, with its task history in the warehouse."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from luigi_tasks import paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process, environment
from luigi_tasks.runs import scheduler
from luigi_tasks.warehouse import migrations

HOST = "127.0.0.1"
"""The address that luigid listens on. luigid asks for no password and lets anyone change its state: users of other
machines reach it through a proxy with a login, and another address is for private networks only, as in containers."""
HISTORY_SCHEMA = "luigi_history"
"""The schema of the task history: luigid finds its tables there by the search path of its sessions."""


@contextmanager
def run_luigid(address: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run luigid, and the embedded warehouse with it, while the block lasts. Gives the process of luigid."""
    if scheduler.is_listening(address, port):
        raise PipelineError(f"port {port} of {address} is in use; stop what listens there, or choose another by --port")
    warehouse.hold_embedded()
    with warehouse.transaction() as cursor:
        migrations.create_schema(cursor, HISTORY_SCHEMA)
    state = log.with_suffix(".state")
    argv = [str(Path(sys.executable).with_name("luigid")), "--address", address, "--port", str(port)]
    variables = warehouse.get_libpq_variables(search_path=HISTORY_SCHEMA)
    variables["LUIGI_CONFIG_PATH"] = str(paths.LUIGID_SETTINGS)
    environ = environment.make_environment(environment.LUIGID, **variables)
    process = child_process.start([*argv, "--state-path", str(state)], environ, log)
    try:
        yield process
    finally:
        child_process.end_group(process)
