"""Services: child processes that serve a whole run (a Spark session, dbt), so that what is slow to start starts once.

Luigi's main process starts one as soon as it is clear that there is work, and goes on without waiting; the stages,
which run in forks of it, ask. A service ends with the run, however that ends.
"""

import atexit
import contextlib
import math
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from spark_jobs.messages import Tell, exchange
from spark_jobs.messages.exchange import Operation, OperationFailed, ServiceGone

POLL_SECONDS = 0.02
LONGEST_ADDRESS = 103
"""Bytes that the path of a Unix socket may have, on macOS, where it is shortest."""

Request = TypeVar("Request")
Result = TypeVar("Result")


class StartFailed(PipelineError):
    """A service ended before it could be asked anything."""


@dataclass(frozen=True)
class _Running:
    """A service that this process, or the one that it is a fork of (`owner`), has started."""

    child: subprocess.Popen[bytes]
    process: psutil.Process
    address: str
    owner: int


_services: list[_Running] = []
"""Those that are running."""


class ServiceProcess:
    """A child process that answers requests. `argv` is completed by `--address SOCKET`: see spark_jobs/session.py."""

    def __init__(self, name: str, argv: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._argv = argv
        self._environ = environ
        self.log = log
        self._running: _Running | None = None

    def start(self) -> None:
        """Start the child, unless it was started before. Does not wait for it to be ready."""
        self._started()

    def ask(self, operation: Operation[Request, Result], request: Request, tell: Tell | None = None) -> Result:
        """The result of an operation; waits for it, and hands its progress to `tell`.

        Raises PipelineError where the operation fails or the child is gone, and StartFailed where it did not start.
        """
        running = self._started()
        try:
            with self._connect(running, math.inf) as connection:
                return exchange.ask(connection, operation, request, tell)
        except ServiceGone as error:
            code = child_process.read_exit_code(running.child.pid)
            raise PipelineError(
                child_process.explain_kill(self.name, operation.name, code, self.log)
                or f"{self.name} ended before {operation.name} was done; the end of {self.log}:\n{self._tail()}"
            ) from error
        except OperationFailed as error:
            raise PipelineError(f"{operation.name} failed: {error}\nthe end of {self.log}:\n{self._tail()}") from error

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until the child can be asked.

        Raises PipelineError where it is killed before, StartFailed where it ends, or is not ready in time.
        """
        self._connect(self._started(), seconds).close()

    def _connect(self, running: _Running, seconds: float) -> exchange.Connection:
        try:
            return _connect(running, seconds)
        except ServiceGone as error:
            if Path(running.address).parent.exists():  # it was ready once
                raise
            code = child_process.read_exit_code(running.child.pid)
            if killed := child_process.explain_kill(self.name, "its start", code, self.log):
                raise PipelineError(killed) from error
            raise StartFailed(f"{self.name} did not start; the end of {self.log}:\n{self._tail()}") from error

    def close(self) -> None:
        """Tell the child that the run is over, and wait until it and all that it started have ended by themselves."""
        if self._running is not None:
            with contextlib.suppress(ServiceGone, OSError), _connect(self._running) as connection:
                exchange.say_goodbye(connection)
            self._running.child.wait()
            while child_process.group_lives(self._running.child):
                time.sleep(POLL_SECONDS)

    def end(self) -> None:
        """End the child and all that it started, ready or not."""
        if self._running is not None:
            _end(self._running)

    def _started(self) -> _Running:
        if self._running is None:
            address = _choose_address()
            child = child_process.start([*self._argv, "--address", address], self._environ, self.log)
            self._running = _Running(child, psutil.Process(child.pid), address, os.getpid())
            _services.append(self._running)
            atexit.register(_end, self._running)
        return self._running

    def _tail(self) -> str:
        return child_process.tail(self.log)


def dismiss() -> None:
    """Tell this process's services that they are not needed any more; it waits for them when it ends."""
    for running in _services:
        if running.owner == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.child.pid, signal.SIGTERM)


def _choose_address() -> str:
    """A path for a socket, in a folder that the service makes: it then leaves none where it ends before."""
    name = f"socialmart-{secrets.token_hex(8)}/socket"
    address = Path(tempfile.gettempdir()) / name
    return str(address if len(os.fsencode(address)) <= LONGEST_ADDRESS else Path("/tmp") / name)


def _connect(running: _Running, seconds: float = math.inf) -> exchange.Connection:
    """A connection to a service, once it is ready. Raises ServiceGone where it ends before, or not within `seconds`."""
    until = time.monotonic() + seconds
    while True:
        try:
            return exchange.connect(running.address)
        except OSError as error:
            if not _is_alive(running.process) or time.monotonic() > until:
                raise ServiceGone from error
        time.sleep(POLL_SECONDS)


def _is_alive(process: psutil.Process) -> bool:
    """Whether a process is running, also where it is not this process's own child to wait for."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end(running: _Running) -> None:
    """End a service when the process that started it ends; its forks have no part in that."""
    if os.getpid() == running.owner:
        child_process.end_group(running.child)
        shutil.rmtree(Path(running.address).parent, ignore_errors=True)
