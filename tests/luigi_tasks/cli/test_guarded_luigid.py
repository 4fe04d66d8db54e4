"""The guard before luigid: who may ask, under which name, and what needs the token or the same user."""

import socket
from types import SimpleNamespace

import pytest
from luigi.scheduler import RPC_METHODS
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application

from luigi_tasks.cli import guarded_luigid
from luigi_tasks.cli.guarded_luigid import READING_METHODS, Guard, find_owner
from luigi_tasks.runs.luigid_messenger import TOKEN_HEADER

TOKEN = "a-token"
CHANGING_METHODS = {
    "add_scheduler_message_response",
    "add_task",
    "add_task_batcher",
    "add_worker",
    "announce_scheduling_failure",
    "count_pending",  # notes the worker that asks
    "decrease_running_task_resources",
    "disable_worker",
    "forgive_failures",
    "get_work",
    "mark_as_done",
    "pause",
    "ping",
    "prune",
    "re_enable_task",
    "report_task_statistics",
    "send_scheduler_message",
    "set_task_progress_percentage",
    "set_task_status_message",
    "set_worker_processes",
    "unpause",
    "update_metrics_task_started",
    "update_resource",
    "update_resources",
}


@pytest.fixture
def guard() -> Guard:
    return Guard(Application(), frozenset({"localhost", "luigid"}), TOKEN)


def request(path: str = "/api/pause", method: str = "GET", **headers: str) -> HTTPServerRequest:
    """A request of a process that is not known to be of the same user."""
    given = HTTPHeaders({"Host": "localhost:8082"} | {name.replace("_", "-"): value for name, value in headers.items()})
    line = RequestStartLine(method, path, "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=given, connection=SimpleNamespace())


def test_methods__of_the_installed_luigi_are_all_known_to_read_or_to_change():
    assert set(RPC_METHODS) == READING_METHODS | CHANGING_METHODS
    assert not READING_METHODS & CHANGING_METHODS


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
    "path", ["/api/pause", "/api/disable_worker", "/api/paus%65", "/api/", "/api/of_a_later_luigi"]
)
def test_change__needs_the_token(guard, path):
    assert "only its own user" in guard.find_fault(request(path))
    assert "only its own user" in guard.find_fault(request(path, **{TOKEN_HEADER: "another"}))
    assert "only its own user" in guard.find_fault(request(path, **{TOKEN_HEADER: ""}))
    assert guard.find_fault(request(path, **{TOKEN_HEADER: TOKEN})) is None


def test_change__is_the_same_users_without_a_token(guard, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with accepted:
            asked = request()
            asked.connection = SimpleNamespace(stream=SimpleNamespace(socket=accepted))
            assert guard.find_fault(asked) is None
            monkeypatch.setattr(guarded_luigid.os, "geteuid", lambda: 4321)
            owner = find_owner(accepted.getpeername(), accepted.getsockname())
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
