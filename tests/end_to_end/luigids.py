"""luigid for runs to be shown by: the real one, as `socialmart dashboard` starts it, and one that answers nonsense."""

import json
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from project import PROGRAMS, Project, free_ports

from luigi_tasks.cli.luigid import HOST
from luigi_tasks.runs.scheduler import is_listening

SECONDS_TO_START = 60

Answer = Callable[[BaseHTTPRequestHandler, str], None]
"""Answers a request for a method of luigid's."""


@contextmanager
def dashboard(project: Project, port: int, address: str = HOST) -> Iterator[subprocess.Popen[bytes]]:
    """The dashboard of a project while the block lasts; it may be killed in between."""
    options = ["--port", str(port), *(["--address", address] if address != HOST else [])]
    process = subprocess.Popen(
        [PROGRAMS / "socialmart", "dashboard", *options], cwd=project.folder, start_new_session=True
    )
    until = time.monotonic() + SECONDS_TO_START
    while not is_listening(address, port):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS_TO_START) == 128 + signal.SIGTERM
        assert not is_listening(address, port)


def call(port: int, method: str, **arguments: object) -> Any:
    """What luigid answers to a call."""
    data = urllib.parse.quote(json.dumps(arguments))
    return json.loads(page(port, f"/api/{method}?data={data}"))["response"]


def page(port: int, path: str) -> str:
    """A page of luigid's, or what its page's script gets."""
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", headers={"X-Requested-With": "XMLHttpRequest"})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def list_tasks(port: int, status: str) -> dict[str, dict[str, Any]]:
    """The tasks of a status that luigid shows, by name and batch."""
    found = call(port, "task_list", status=status, upstream_status="")
    return {
        f"{task['name']} {task['params'].get('batch', '')}".strip(): task | {"id": task_id}
        for task_id, task in found.items()
    }


@contextmanager
def serve(answer: Answer) -> Iterator[tuple[int, list[str]]]:
    """A web server that answers as it is told. Gives its port, and the methods that it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            method = self.path.rpartition("/")[2]
            asked.append(method)
            answer(self, method)

        do_GET = do_POST

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer((HOST, free_ports(1)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, text: str | bytes, code: int = 200) -> None:
    """Send an answer."""
    body = text.encode() if isinstance(text, str) else text
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
