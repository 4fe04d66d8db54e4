"""Which scheduler a run uses: luigid if it answers, or the local one."""

import socket
from urllib.parse import urlsplit

import luigi
from luigi.interface import core

from luigi_tasks import config

SECONDS_TO_ANSWER = 0.5
"""luigid is on this machine or close to it, and every run waits this long where there is none."""


def is_listening(host: str, port: int) -> bool:
    """Return whether something accepts connections at an address."""
    return find_connection_error(host, port, SECONDS_TO_ANSWER) is None


def find_connection_error(host: str, port: int, seconds: float) -> str | None:
    """Return why an address accepts no connection within some seconds, or None if it does."""
    try:
        socket.create_connection((host, port), seconds).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return None


def get_luigid_address(settings: core) -> tuple[str, int]:
    """Return luigid's host and port from [core]: from scheduler_url, or from scheduler_host and scheduler_port."""
    url = urlsplit(settings.scheduler_url or f"http://{settings.scheduler_host}:{settings.scheduler_port}")
    return url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 80)


def uses_luigid() -> bool:
    """Return whether the run reports to luigid."""
    return not core().local_scheduler


def choose_scheduler() -> None:
    """Make the run that is about to start use luigid or the local scheduler, as [dashboard] use says."""
    use = config.read_section(config.dashboard).use
    if use != "never":
        use_luigid = use == "always" or is_listening(*get_luigid_address(core()))
        luigi.configuration.get_config().set("core", "local_scheduler", str(not use_luigid).lower())
