"""luigid behind a guard, as a program: `python -m luigi_tasks.cli.guarded_luigid [options of luigid]`.

luigid answers everyone, changes its state on GET, and does not look at the name under which it was asked. Before its
application, the guard refuses requests

- for a host that is none of ours, as come from a page of another site whose name leads here (DNS rebinding);
- that another site's page has the browser make;
- that change something, unless they come from runs, which have the dashboard's token; from operators, for whom the
  proxy adds it in a header of its own, as far as `rpc_methods` allows; or from the dashboard's own page in a browser of
  the same user, or of root.

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

import luigi.cmdline
import luigi.server
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from luigi_tasks.cli.luigid import NAMES_VARIABLE
from luigi_tasks.cli.request_origin import API, find_host, is_foreign, is_of_own_page, is_of_proxy
from luigi_tasks.cli.rpc_methods import OPERATOR_METHODS, VIEWER_METHODS
from luigi_tasks.runs import dashboard_token
from luigi_tasks.runs.luigid_messenger import TOKEN_HEADER

OPERATOR_HEADER = "X-Operator-Token"
"""Where the proxy puts the dashboard's token into requests of operators."""
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
        method = find_method(request)
        if method is None or method in VIEWER_METHODS or self._has_token(request, TOKEN_HEADER):
            return None
        if self._has_token(request, OPERATOR_HEADER):
            return None if method in OPERATOR_METHODS else "only runs call this, and not through the proxy"
        if is_same_user(request) and is_of_own_page(request):
            return None
        return "this changes the dashboard: only its user's or an operator's page may do that, and who has its token"

    def _has_token(self, request: HTTPServerRequest, header: str) -> bool:
        return hmac.compare_digest(request.headers.get(header, "").encode(), self._token.encode())


class RefusingHandler(RequestHandler):
    """Answers any request with 403 and the reason."""

    def initialize(self, reason: str) -> None:
        self._reason_text = reason

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._reason_text}\n")


def _is_address(name: str) -> bool:
    """Whether a host is an IP address: no other site has such a name, so it cannot lead a browser here."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def find_method(request: HTTPServerRequest) -> str | None:
    """The method of luigid that a request calls, as it is written there; None if it asks for a page."""
    return request.path.removeprefix(API) if request.path.startswith(API) else None


def is_same_user(request: HTTPServerRequest) -> bool:
    """Whether a request came from a process of this user, or of root, on this machine. Known on Linux only.

    What a proxy hands on is not: that may be anybody's, and the proxy one of the same user.
    """
    stream = getattr(request.connection, "stream", None)
    if is_of_proxy(request) or stream is None or stream.socket is None:
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
