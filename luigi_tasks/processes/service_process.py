"""Companions: children that serve a whole run (a Spark session, dbt), so that what is slow to start starts once.

Luigi's main process starts one as soon as it is clear that there is work, and goes on without waiting; the stages,
which run in forks of it, ask. A companion ends with the run, however that ends.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process

POLL_SECONDS = 0.1

_companions: list[tuple[subprocess.Popen[bytes], int]] = []
"""Those that are at work, and the process that started them."""


class Companion:
    """A child that answers requests: `argv` is completed by the descriptor of the socket that it serves.

    See spark_jobs/serving.py for its side.
    """

    def __init__(self, name: str, argv: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._argv = argv
        self._environ = environ
        self.log = log
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child, unless it is there. Does not wait for it to be ready."""
        if self._socket is not None:
            return
        self._socket, theirs = socket.socketpair()
        with theirs:
            argv = [*self._argv, str(theirs.fileno())]
            self._process = child_process.start(argv, self._environ, self.log, pass_fds=[theirs.fileno()])
        _companions.append((self._process, os.getpid()))
        atexit.register(_end, *_companions[-1])

    def ask(self, job: str, request: dict[str, Any], tell: Callable[..., None] | None = None) -> dict[str, Any]:
        """The result of a job; waits for it, and hands to `tell` by name how far it is: done, total, status, url.

        Raises PipelineError where the job fails or the child is gone.
        """
        self.start()
        assert self._socket is not None
        answer: dict[str, Any] = {"progress": {}}
        ours, theirs = socket.socketpair()
        with ours, ours.makefile("rwb") as stream:
            try:
                with theirs:
                    socket.send_fds(self._socket, [b"."], [theirs.fileno()])
                stream.write(json.dumps({"job": job, "request": request}).encode())
                stream.flush()
                ours.shutdown(socket.SHUT_WR)
                for line in stream:
                    answer = json.loads(line)
                    if "progress" in answer and tell:
                        tell(**answer["progress"])
            except (BrokenPipeError, ConnectionResetError, json.JSONDecodeError):
                pass  # it is gone, maybe in the middle of a line
        if "progress" in answer:
            raise PipelineError(f"{self.name} ended before {job} was done; the end of {self.log}:\n{self._tail()}")
        if "error" in answer:
            raise PipelineError(f"{job} failed: {answer['error']}\nthe end of {self.log}:\n{self._tail()}")
        return answer["result"]

    def close(self) -> None:
        """Tell the child that the run is over, and wait until it and all that it started have ended by themselves."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()
            while child_process.group_lives(self._process):
                time.sleep(POLL_SECONDS)

    def _tail(self) -> str:
        return child_process.tail(self.log)


def dismiss() -> None:
    """Tell this process's companions that they are not needed any more; it waits for them when it ends."""
    for process, owner in _companions:
        if owner == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the child when the process that started it ends; its forks have no part in that."""
    if os.getpid() == owner:
        child_process.end_group(process)
