"""luigid behind a guard, as a program: `python -m luigi_tasks.cli.guarded_luigid [options of luigid]`.

luigid answers everyone, changes its state on GET, and does not look at the name under which it was asked. Before its
application, the guard refuses requests

- for a host that is none of ours, as come from a page of another site whose name leads here (DNS rebinding);
- that another site's page has the browser make;
- that change something, unless they have the dashboard's token or come from a process of the same user, or of root.

Its environment holds the names and the token (see luigid.py).
"""

import hmac
import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import luigi.cmdline
import luigi.server
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from luigi_tasks.cli.luigid import NAMES_VARIABLE
from luigi_tasks.runs import dashboard_token
from luigi_tasks.runs.luigid_messenger import TOKEN_HEADER

READING_METHODS = frozenset(
    {
        "dep_graph",
        "fetch_error",
        "get_running_task_resources",
        "get_scheduler_message_response",
        "get_task_progress_percentage",
        "get_task_status_message",
        "graph",
        "has_task_history",
        "inverse_dep_graph",
        "is_pause_enabled",
        "is_paused",
        "resource_list",
        "task_list",
        "task_search",
        "worker_list",
    }
)
"""Methods of luigid that change nothing. Any other one needs the token or the same user."""
API = "/api/"
SAME_SITE = ("same-origin", "none")
"""What a browser says of a request (Sec-Fetch-Site) of luigid's own page, and of one that a person typed in."""
TCP_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


class Guard(Router):
    """Hands requests to luigid's application, or refuses them with 403 and a sentence."""

    def __init__(self, application: Application, names: frozenset[str], token: str) -> None:
        self._application = application
        self._names = names
        self._token = token

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """The application's handler of a request, or one that refuses it."""
        reason = self.find_fault(request)
        if reason is None:
            return self._application.find_handler(request, **kwargs)
        return self._application.get_handler_delegate(request, RefusingHandler, {"reason": reason})

    def find_fault(self, request: HTTPServerRequest) -> str | None:
        """Why a request is refused, in a sentence; None if it is not."""
        name = find_host(request.headers.get("Host", ""))
        if not (name in self._names or _is_address(name)):
            return f"{name!r} is no name of this dashboard; if it should be one, add it by socialmart dashboard --name"
        if is_foreign(request):
            return "another site's page may not ask this dashboard"
        if is_reading(request) or self._has_token(request) or is_same_user(request):
            return None
        return "this changes the dashboard: only its own user may do that, and who has its token"

    def _has_token(self, request: HTTPServerRequest) -> bool:
        given = request.headers.get(TOKEN_HEADER, "")
        return hmac.compare_digest(given.encode(), self._token.encode())


class RefusingHandler(RequestHandler):
    """Answers any request with 403 and the reason."""

    def initialize(self, reason: str) -> None:
        self._reason_text = reason

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._reason_text}\n")


def find_host(header: str) -> str:
    """The name in a Host header, without its port and in lower case; "" where there is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether a host is an IP address: no other site has such a name, so it cannot lead a browser here."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_reading(request: HTTPServerRequest) -> bool:
    """Whether a request changes nothing: a page, or a method that only reads."""
    return not request.path.startswith(API) or request.path.removeprefix(API) in READING_METHODS


def is_foreign(request: HTTPServerRequest) -> bool:
    """Whether a page of another site had the browser send a request. A link to one of luigid's pages does no harm."""
    headers = request.headers
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        opens_page = headers.get("Sec-Fetch-Mode") == "navigate" and request.method == "GET"
        return site not in SAME_SITE and not (opens_page and not request.path.startswith(API))
    origin = headers.get("Origin") or (headers.get("Referer") if request.path.startswith(API) else None)
    return origin is not None and urlsplit(origin).netloc != headers.get("Host")


def is_same_user(request: HTTPServerRequest) -> bool:
    """Whether a request came from a process of this user, or of root, on this machine. Known on Linux only."""
    stream = getattr(request.connection, "stream", None)
    if stream is None or stream.socket is None:
        return False
    ours, theirs = stream.socket.getsockname()[:2], stream.socket.getpeername()[:2]
    return find_owner(theirs, ours) in (os.geteuid(), 0)


def find_owner(local: tuple[str, int], remote: tuple[str, int]) -> int | None:
    """The user of a connection's end on this machine, by its addresses; None where it is not here."""
    wanted = [_format_end(local), _format_end(remote)]
    for table in TCP_TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if [_parse_end(end) for end in fields[1:3]] == wanted:
                return int(fields[7])
    return None


def _format_end(end: tuple[str, int]) -> tuple[str, int]:
    """An address and port in one notation: IPv4 within IPv6 is IPv4."""
    address = ipaddress.ip_address(end[0].partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address), end[1]


def _parse_end(text: str) -> tuple[str, int]:
    """The same of an end as the kernel writes it: words of 32 bits in this machine's order, in hexadecimal."""
    digits, _, port = text.partition(":")
    words = [int(digits[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(digits), 8)]
    return _format_end((str(ipaddress.ip_address(b"".join(words))), int(port, 16)))


def guard_application(make: Callable[..., Application], names: frozenset[str], token: str) -> Callable[..., Guard]:
    """What makes luigid's application, with the guard before it."""
    return lambda *arguments: Guard(make(*arguments), names, token)


def main() -> None:
    """Run luigid with the guard before it."""
    given = filter(None, os.environ.get(NAMES_VARIABLE, "").split(","))
    names = frozenset({"localhost", socket.gethostname().lower(), *(name.lower() for name in given)})
    luigi.server.app = guard_application(luigi.server.app, names, os.environ[dashboard_token.VARIABLE])
    luigi.cmdline.luigid(sys.argv[1:])


if __name__ == "__main__":
    main()
