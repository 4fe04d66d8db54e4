"""The guard before luigid: who may ask, under which name, and what needs the token or the same user."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import luigi.server
import pytest
from luigi.scheduler import RPC_METHODS
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application

from luigi_tasks.cli import guarded_luigid
from luigi_tasks.cli.guarded_luigid import OPERATOR_HEADER, Guard, find_owner
from luigi_tasks.cli.rpc_methods import OPERATOR_METHODS, RUN_METHODS, VIEWER_METHODS
from luigi_tasks.runs.luigid_messenger import TOKEN_HEADER

TOKEN = "a-token"
WITH_TOKEN = {TOKEN_HEADER: TOKEN}


@pytest.fixture
def guard() -> Guard:
    return Guard(Application(), frozenset({"localhost", "luigid"}), TOKEN)


def request(path: str = "/api/pause", method: str = "GET", **headers: str) -> HTTPServerRequest:
    """A request of a process that is not known to be of the same user."""
    given = HTTPHeaders({"Host": "localhost:8082"} | {name.replace("_", "-"): value for name, value in headers.items()})
    line = RequestStartLine(method, path, "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=given, connection=SimpleNamespace())


def test_methods__of_the_installed_luigi_are_each_for_viewers_operators_or_runs():
    listed = sorted([*VIEWER_METHODS, *OPERATOR_METHODS, *RUN_METHODS])
    assert listed == sorted(RPC_METHODS)


def test_operators__may_do_what_the_page_of_the_installed_luigi_offers_and_no_more():
    script = Path(luigi.__file__).parent / "static/visualiser/js/luigi.js"
    offered = set(re.findall(r"""this\.urlRoot \+ ["']/(\w+)["']""", script.read_text(encoding="utf-8")))
    assert offered - VIEWER_METHODS == OPERATOR_METHODS


@pytest.mark.parametrize("method", sorted(RPC_METHODS))
def test_method__is_called_by_those_it_is_for(guard, method):
    asked = {
        "viewer": {},
        "operator": {OPERATOR_HEADER: TOKEN},
        "run": WITH_TOKEN,
        "guesser": {OPERATOR_HEADER: "another", TOKEN_HEADER: ""},
    }
    allowed = {who for who, headers in asked.items() if guard.find_fault(request(f"/api/{method}", **headers)) is None}
    if method in VIEWER_METHODS:
        assert allowed == {"viewer", "operator", "run", "guesser"}
    else:
        assert allowed == ({"operator", "run"} if method in OPERATOR_METHODS else {"run"})


@pytest.mark.parametrize(
    "path",
    [
        "/api/paus%65",
        "/api/%70ause",
        "/api/pause/",
        "/api//pause",
        "/api/PAUSE",
        "/api/pause;x=1",
        "/api/task_list/../pause",
        "/api/task_list%2f..%2fpause",
        "/api/task_list;/../pause",
        "/api/pause%00",
        "/api/",
        "/api/of_a_later_luigi",
    ],
)
def test_method__that_is_written_in_an_odd_way_is_for_runs_alone(guard, path):
    assert "only its user's" in guard.find_fault(request(path))
    assert "only runs call this" in guard.find_fault(request(path, **{OPERATOR_HEADER: TOKEN}))
    assert guard.find_fault(request(path, **WITH_TOKEN)) is None


@pytest.mark.parametrize("path", ["//api/pause", "/API/pause", "/%61pi/pause", "/x/../api/pause", "http://h/api/pause"])
def test_page__that_looks_like_a_method_is_none_of_luigids(guard, path):
    """The guard lets everybody read pages: luigid's application must find no method behind these."""
    assert guard.find_fault(request(path)) is None
    found = luigi.server.app(None).find_handler(request(path))
    assert found.handler_class is not luigi.server.RPCHandler


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost:8082", True),
        ("LOCALHOST", True),
        ("luigid:8082", True),
        ("localhost.:8082", True),
        ("127.0.0.1:8082", True),
        ("[::1]:8082", True),
        ("192.0.2.7", True),
        ("evil.example:8082", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433.evil.example", False),
        ("[", False),
        ("", False),
    ],
)
def test_host__of_another_name_is_refused_also_for_what_only_reads(guard, host, is_ours):
    fault = guard.find_fault(request("/api/task_list", Host=host))
    assert (fault is None) is is_ours
    assert is_ours or "is no name of this dashboard" in fault


@pytest.mark.parametrize(
    ("headers", "is_allowed"),
    [
        ({}, False),
        ({"X_Requested_With": "XMLHttpRequest"}, True),
        ({"X_Requested_With": ""}, False),
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}, True),
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, False),
        ({"Sec_Fetch_Site": "none", "X_Requested_With": "XMLHttpRequest"}, False),
        ({"Sec_Fetch_Site": "same-site", "X_Requested_With": "XMLHttpRequest"}, False),
        ({"Sec_Fetch_Site": "same-origin, cross-site"}, False),
        ({"Origin": "http://localhost:8082"}, True),
        ({"Origin": "http://localhost"}, False),
        ({"Origin": "null", "X_Requested_With": "XMLHttpRequest"}, False),
        ({"Origin": "http://[", "X_Requested_With": "XMLHttpRequest"}, False),
        ({"Referer": "http://localhost:8082/static/visualiser/index.html"}, True),
        ({"Referer": "http://localhost:8082.evil.example/"}, False),
        ({"Referer": "http://localhost:8082@evil.example/"}, False),
        ({"Referer": "http://evil.example/http://localhost:8082/"}, False),
        ({"Origin": "http://evil.example", "Referer": "http://localhost:8082/"}, False),
        ({"X_Requested_With": "XMLHttpRequest", "X_Forwarded_For": "192.0.2.7"}, False),
        ({"X_HTTP_Method_Override": "GET"}, False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_change__of_the_same_user_needs_a_sign_of_the_dashboards_own_page(
    guard, own_socket, method, headers, is_allowed
):
    asked = request(method=method, **headers)
    asked.connection = SimpleNamespace(stream=SimpleNamespace(socket=own_socket))
    assert (guard.find_fault(asked) is None) is is_allowed
    assert guard.find_fault(request(method=method, **headers)) is not None


@pytest.fixture
def own_socket() -> Iterator[socket.socket]:
    """The server's end of a connection of this process."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(socket.create_connection(server.getsockname()))
        yield stack.enter_context(server.accept()[0])


def test_change__is_the_same_users_or_roots_alone(guard, own_socket, monkeypatch):
    asked = request(X_Requested_With="XMLHttpRequest")
    asked.connection = SimpleNamespace(stream=SimpleNamespace(socket=own_socket))
    owner = find_owner(own_socket.getpeername(), own_socket.getsockname())
    monkeypatch.setattr(guarded_luigid.os, "geteuid", lambda: 4321)
    assert (guard.find_fault(asked) is None) is (owner == 0)


def test_find_owner__knows_the_ends_of_ipv6_and_none_that_are_not_here():
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port)) as client, server.accept()[0] as accepted:
                ends = accepted.getpeername()[:2], accepted.getsockname()[:2]
                assert ends[0][1] == client.getsockname()[1]
                assert find_owner(*ends) == guarded_luigid.os.geteuid()
    assert find_owner(("192.0.2.7", 1), ("127.0.0.1", 2)) is None


@pytest.mark.parametrize(
    ("path", "headers", "is_foreign"),
    [
        ("/api/pause", {"Sec_Fetch_Site": "same-origin"}, False),
        ("/api/pause", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, True),
        ("/api/pause", {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}, True),
        ("/api/pause", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, True),
        ("/history", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, False),
        ("/history", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, True),
        ("/api/pause", {"Origin": "http://evil.example"}, True),
        ("/api/pause", {"Origin": "null"}, True),
        ("/api/pause", {"Origin": "http://localhost:8082"}, False),
        ("/api/pause", {"Referer": "http://evil.example/page"}, True),
        ("/api/pause", {"Referer": "http://localhost:8082/static/visualiser/index.html"}, False),
        ("/history", {"Referer": "http://evil.example/link"}, False),
    ],
)
def test_request__that_another_sites_page_has_a_browser_make_is_refused_even_with_the_token(
    guard, path, headers, is_foreign
):
    fault = guard.find_fault(request(path, **{TOKEN_HEADER: TOKEN}, **headers))
    assert (fault is not None) is is_foreign
