"""The dashboard: luigid on this machine, its task history in the warehouse; and which scheduler a run uses."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import luigi
from luigi.interface import core

from luigi_tasks import child, config, layout, paths, warehouse
from luigi_tasks.errors import PipelineError

HOST = "127.0.0.1"
"""luigid asks nobody for a password, and changes what it is told to: others reach it through a proxy with a login. So
another address to listen on is for a private network only, as that of the containers."""
SECONDS_TO_ANSWER = 0.5
HISTORY = "luigi_history"


@contextmanager
def running(address: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """luigid, and the embedded warehouse with it, while the block lasts."""
    if answers(address, port):
        raise PipelineError(f"port {port} of {address} is taken; end what listens there, or name another with --port")
    warehouse.hold()
    with warehouse.transaction() as cursor:
        layout.make_schema(cursor, HISTORY)
    state = log.with_suffix(".state")
    argv = [str(Path(sys.executable).with_name("luigid")), "--address", address, "--port", str(port)]
    environ = child.environment(**warehouse.variables(), LUIGI_CONFIG_PATH=str(paths.LUIGID_SETTINGS))
    process = child.start([*argv, "--state-path", str(state)], environ, log)
    try:
        yield process
    finally:
        child.end_group(process)


def answers(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    return why_silent(host, port, SECONDS_TO_ANSWER) is None


def why_silent(host: str, port: int, seconds: float) -> str | None:
    """Why nothing takes connections at a port; None where something does."""
    try:
        socket.create_connection((host, port), seconds).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return None


def place(settings: core) -> tuple[str, int]:
    """Host and port of luigid, as [core] has them: in its URL, or one by one."""
    url = urlsplit(settings.scheduler_url or f"http://{settings.scheduler_host}:{settings.scheduler_port}")
    return url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 80)


def is_told() -> bool:
    """Whether the run tells luigid what it does."""
    return not core().local_scheduler


def choose_scheduler() -> None:
    """Have the run that is about to begin use luigid or the local scheduler, as [dashboard] says."""
    use = config.read(config.dashboard).use
    if use != "never":
        is_there = use == "always" or answers(*place(core()))
        luigi.configuration.get_config().set("core", "local_scheduler", str(not is_there).lower())
