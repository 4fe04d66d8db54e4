"""The dashboard: luigid on this machine, its task history in the warehouse; and which scheduler a run uses."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import luigi
from luigi.interface import core

from luigi_tasks import child, config, paths, warehouse
from luigi_tasks.errors import PipelineError

HOST = "127.0.0.1"
"""luigid asks nobody for a password, and changes what it is told to: others reach it through a proxy with a login."""
SECONDS_TO_ANSWER = 0.5
HISTORY = "luigi_history"


@contextmanager
def running(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """luigid, and the embedded warehouse with it, while the block lasts."""
    if answers(HOST, port):
        raise PipelineError(f"port {port} of {HOST} is taken; end what listens there, or name another with --port")
    warehouse.hold()
    with warehouse.transaction() as cursor:
        cursor.execute("select to_regnamespace(%s) is null", (HISTORY,))
        if cursor.fetchone() == (True,):
            cursor.execute(f"create schema {HISTORY}")
    state = log.with_suffix(".state")
    argv = [str(Path(sys.executable).with_name("luigid")), "--address", HOST, "--port", str(port)]
    environ = child.environment(**warehouse.variables(), LUIGI_CONFIG_PATH=str(paths.LUIGID_SETTINGS))
    process = child.start([*argv, "--state-path", str(state)], environ, log)
    try:
        yield process
    finally:
        child.end_group(process)


def answers(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection((host, port), SECONDS_TO_ANSWER).close()
    except OSError:
        return False
    return True


def choose_scheduler() -> None:
    """Have the run that is about to begin use luigid or the local scheduler, as [dashboard] says."""
    use = config.read(config.dashboard).use
    if use != "never":
        settings = core()
        is_there = use == "always" or answers(settings.scheduler_host, settings.scheduler_port)
        luigi.configuration.get_config().set("core", "local_scheduler", str(not is_there).lower())
