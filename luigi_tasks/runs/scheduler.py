"""Which scheduler a run uses: luigid where it answers, or the local one."""

import socket
from urllib.parse import urlsplit

import luigi
from luigi.interface import core

from luigi_tasks import config

SECONDS_TO_ANSWER = 0.5


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
