"""The far side of a companion: a process that lives as long as a run and answers its stages one after the other.

A request comes in on a connection of its own, which arrives over the socket that the process inherited; it is one
JSON object, and so is the answer. When the other end of the inherited socket is closed, the run is over.
"""

import json
import socket
import traceback
from collections.abc import Callable, Mapping
from typing import Any

Handler = Callable[[dict[str, Any]], dict[str, Any]]


def serve(descriptor: int, handlers: Mapping[str, Handler]) -> None:
    """Answer `{"job": NAME, "request": {…}}` with `{"result": {…}}` or `{"error": "…"}` until the run is over."""
    with socket.socket(fileno=descriptor) as inherited:
        while connections := socket.recv_fds(inherited, 1, 1)[1]:
            with socket.socket(fileno=connections[0]) as connection, connection.makefile("rwb") as stream:
                asked = json.loads(stream.read())
                answer = _answer(handlers[asked["job"]], asked["request"])
                try:
                    stream.write(json.dumps(answer).encode())
                except BrokenPipeError:
                    continue


def _answer(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": handler(request)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
