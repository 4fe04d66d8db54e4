"""The far side of a companion: a process that lives as long as a run and answers its stages one after the other.

A request comes in on a connection of its own, which arrives over the socket that the process inherited; it is one
JSON object. Lines of JSON go back: how far the job is, as often as it tells, and the answer. When the other end of
the inherited socket is closed, the run is over.
"""

import contextlib
import json
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

Tell = Callable[[dict[str, Any]], None]
"""Takes how far a job is: `done` of `total`, `status` in words, and `url`, where there is more to see, or None."""

Handler = Callable[[dict[str, Any], Tell], dict[str, Any]]
"""Gives the result of a job for a request."""


def serve(descriptor: int, handlers: Mapping[str, Handler]) -> None:
    """Answer `{"job": NAME, "request": {…}}` with lines `{"progress": {…}}`, and `{"result": {…}}` or
    `{"error": "…"}` at last, until the run is over."""
    with socket.socket(fileno=descriptor) as inherited:
        while connections := socket.recv_fds(inherited, 1, 1)[1]:
            with socket.socket(fileno=connections[0]) as connection:
                with connection.makefile("rb") as stream:
                    asked = json.loads(stream.read())
                lines = _Lines(connection)
                lines.send(_answer(handlers[asked["job"]], asked["request"], lines.tell))


class _Lines:
    """Objects of JSON, a line each, to who asked; threads take turns. Nothing, where nobody listens any more."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._turn = threading.Lock()

    def send(self, line: dict[str, Any]) -> None:
        with self._turn, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(json.dumps(line).encode() + b"\n")

    def tell(self, progress: dict[str, Any]) -> None:
        self.send({"progress": progress})


def _answer(handler: Handler, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    try:
        return {"result": handler(request, tell)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
