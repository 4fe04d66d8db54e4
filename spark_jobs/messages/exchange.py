"""Exchange of messages with a service: a process that answers requests one after the other while a run lasts.

A service listens on a Unix socket, in a private folder that it makes and removes. Each request comes in on a connection
of its own, as one JSON object `{"operation": NAME, "request": {…}}`. JSON objects go back: `{"progress": {…}}` as often
as the service has news, then `{"result": {…}}` or `{"error": "…"}`. An empty message in place of a request says that no
more will come.
"""

import contextlib
import json
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Generic, TypeVar

from spark_jobs.messages.codec import from_value
from spark_jobs.messages.jobs import JobProgress, Tell

FAMILY = "AF_UNIX"
BACKLOG = 128
"""Connections that wait for their turn, at most; those beyond wait to be connected."""

Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Operation(Generic[Request, Result]):
    """What a service can be asked for: its name, and the dataclasses of its request and its result."""

    name: str
    request: type[Request]
    result: type[Result]


@dataclass(frozen=True)
class Handler(Generic[Request, Result]):
    """How a service carries out an operation; `run` reports its progress to the callable that it is given."""

    operation: Operation[Request, Result]
    run: Callable[[Request, Tell], Result]


class OperationFailed(Exception):
    """The service answers, but the operation failed: the type of its error, and what it says."""


class ServiceGone(Exception):
    """The service went away before it answered."""


def connect(address: str) -> Connection:
    """A connection to the service at a socket. Raises OSError while nothing of ours listens there."""
    if Path(address).parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{address}: the folder is somebody else's")
    return Client(address, FAMILY)


def ask(
    connection: Connection, operation: Operation[Request, Result], request: Request, tell: Tell | None = None
) -> Result:
    """The result of an operation, for which the connection is used up; `tell` hears of its progress.

    Raises OperationFailed where the operation fails, and ServiceGone where the service ends before it answers.
    """
    try:
        connection.send_bytes(_encode({"operation": operation.name, "request": asdict(request)}))  # type: ignore[call-overload]
        while True:
            answer = json.loads(connection.recv_bytes())
            if "error" in answer:
                raise OperationFailed(answer["error"])
            if "result" in answer:
                return from_value(operation.result, answer["result"])
            if tell is not None:
                tell(from_value(JobProgress, answer["progress"]))
    except (EOFError, OSError) as error:
        raise ServiceGone from error


def say_goodbye(connection: Connection) -> None:
    """Tell a service that no more requests will come."""
    connection.send_bytes(b"")


def serve(address: str, handlers: Sequence[Handler[Any, Any]]) -> None:
    """Answer requests at a socket until one says that no more will come. The socket's folder must not be there yet."""
    by_name = {handler.operation.name: handler for handler in handlers}
    with _listening(address) as listener:
        while True:
            with listener.accept() as connection:
                try:
                    text = connection.recv_bytes()
                except (EOFError, OSError):  # the asker is gone
                    continue
                if not text:
                    return
                _answer(connection, by_name, json.loads(text))


@contextmanager
def _listening(address: str) -> Iterator[Listener]:
    folder = Path(address).parent
    folder.mkdir(mode=0o700)
    try:
        with Listener(address, FAMILY, BACKLOG) as listener:
            yield listener
    finally:
        folder.rmdir()


def _answer(connection: Connection, handlers: dict[str, Handler[Any, Any]], asked: dict[str, Any]) -> None:
    """Carry out an operation to its end, even if nobody listens any more: the next asker finds the service free."""
    turn = threading.Lock()

    def send(answer: dict[str, Any]) -> None:
        with turn, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send_bytes(_encode(answer))

    handler = handlers[asked["operation"]]
    try:
        request = from_value(handler.operation.request, asked["request"])
        result = handler.run(request, lambda progress: send({"progress": asdict(progress)}))
        answer: dict[str, Any] = {"result": asdict(result)}
    except Exception as error:
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {error}"}
    send(answer)


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()
