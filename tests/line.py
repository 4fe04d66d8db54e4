"""A line to a server that can go quiet as real ones do: it takes what is sent, and passes nothing on."""

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from project import free_ports, wait_for

HOST = "127.0.0.1"
BYTES = 65_536


@dataclass(frozen=True)
class Line:
    """A proxy in front of a server, which is the process `pid`."""

    pid: int
    port: int

    def stop(self) -> None:
        """Go quiet: the kernel still takes connections and packets, and nobody reads them."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = list(Path(f"/proc/{self.pid}/task").iterdir())
        wait_for("a stopped line", lambda: all(_is_stopped(task) for task in tasks), 20)

    def resume(self) -> None:
        """Pass on again, beginning with what was sent meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def lose_connections(self) -> None:
        """Pass nothing on for the connections there are, as a router that has forgotten them; new ones go well."""
        os.kill(self.pid, signal.SIGUSR1)


@contextmanager
def line_to(server: str) -> Iterator[Line]:
    """A line to a server's socket file during the block."""
    port = free_ports(1)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(port, server), daemon=True)
    process.start()
    assert process.pid
    try:
        wait_for("the line", lambda: _is_open(port), 20)
        yield Line(process.pid, port)
    finally:
        process.kill()
        process.join()


def _is_stopped(task: Path) -> bool:
    """Whether a thread of the line stands still, or has ended: a signal takes a moment to reach all of them."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in "TX"
    except FileNotFoundError:
        return True


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
        return True
    return False


def _serve(port: int, server: str) -> None:
    """Pass on the bytes of all who connect."""
    lost: set[int] = set()
    connections: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: lost.update(connections))

    def pass_on(number: int, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(BYTES):
                if number in lost:
                    threading.Event().wait()
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)

    with socket.create_server((HOST, port)) as listener:
        while True:
            client, _ = listener.accept()
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(server)
            connections.append(len(connections))
            for ends in ((client, upstream), (upstream, client)):
                threading.Thread(target=pass_on, args=(connections[-1], *ends), daemon=True).start()
