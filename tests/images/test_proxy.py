"""The proxy before a real luigid and Spark: who may do what, what needs a sign of our own pages, and wrong logins."""

import base64
import inspect
import json
import logging
import socket
import time
import urllib.parse
from collections import Counter

import pytest
import test_stack
from chroot import page
from luigi.scheduler import RPC_METHODS, Scheduler
from test_stack import LOGIN, OWN, PROXY

from luigi_tasks.cli.rpc_methods import OPERATOR_METHODS, VIEWER_METHODS

VIEWER = "viewer:of viewers"
SIGN = {"X_Requested_With": "XMLHttpRequest"}
"""What luigid's own page sends."""
REFUSED = {401, 403, 421, 429}
"""What the proxy and luigid's guard answer to what is not allowed."""
logger = logging.getLogger(__name__)

store, stack = test_stack.store, test_stack.stack
"""Fixtures: this module has services of its own."""


@pytest.mark.parametrize(
    ("site", "mode", "path", "status"),
    [
        ("same-origin", "cors", "/api/task_list", 200),
        ("cross-site", "navigate", "/static/visualiser/index.html", 200),
        ("cross-site", "no-cors", "/static/visualiser/index.html", 403),
        ("cross-site", "navigate", "/api/task_list", 403),
        ("same-site", "cors", "/api/task_list", 403),
    ],
)
def test_proxy__lets_other_sites_open_pages_only(stack, site, mode, path, status):
    assert page(PROXY + path, LOGIN, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)[0] == status


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({}, "/api/is_paused", 200),
        ({}, "/api/pause", 403),
        ({"Sec_Fetch_Site": "cross-site"}, "/api/pause", 403),
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, "/api/pause", 403),
        ({"Sec_Fetch_Site": "none", "X_Requested_With": "XMLHttpRequest"}, "/api/pause", 403),
        ({"Sec_Fetch_Site": "of a later browser"}, "/api/is_paused", 403),
        ({"Sec_Fetch_Site": "same-origin"}, "/api/unpause", 200),
        (SIGN, "/api/unpause", 200),
        ({"Origin": PROXY}, "/api/unpause", 200),
        ({"Origin": f"{PROXY}.evil.example"}, "/api/is_paused", 403),
        ({"Origin": "null", "X_Requested_With": "XMLHttpRequest"}, "/api/pause", 403),
        ({"Referer": f"{PROXY}/static/visualiser/index.html"}, "/api/unpause", 200),
        ({"Referer": "http://evil.example/", "X_Requested_With": "XMLHttpRequest"}, "/api/pause", 403),
        ({"Referer": f"http://evil.example/{PROXY}/"}, "/api/pause", 403),
        ({"Referer": f"{PROXY}@evil.example/"}, "/api/pause", 403),
        ({"Referer": "http://evil.example/"}, "/static/visualiser/index.html", 200),
        ({"X_Dashboard_Token": OWN["DASHBOARD_TOKEN"]}, "/api/pause", 403),
        ({"X_Operator_Token": OWN["DASHBOARD_TOKEN"]}, "/api/pause", 403),
        ({"Host": "pages.example"}, "/api/is_paused", 200),
        ({"Host": "PAGES.example:8000"}, "/api/is_paused", 200),
        ({"Host": "evil.example"}, "/api/is_paused", 421),
        ({"Host": "pages.example.evil.example"}, "/api/is_paused", 421),
        (SIGN, "/spark/app/kill/", 200),
        ({}, "/spark/app/kill/", 403),
        ({}, "/spark/proxy/app-1/jobs/job/%6bill/?id=1", 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, "/spark/proxy/app-1/jobs/job/kill/?id=1", 403),
    ],
)
def test_proxy__has_things_changed_only_by_its_own_pages_and_knows_its_names(stack, headers, path, status):
    found = page(PROXY + path, LOGIN, **headers)[0]
    assert found == status or (status == 200 and path.startswith("/spark/") and found not in REFUSED)


@pytest.mark.parametrize("method", sorted(RPC_METHODS))
def test_method_of_luigid__is_called_through_the_proxy_by_those_it_is_for(stack, method):
    parameters = list(inspect.signature(getattr(Scheduler, method)).parameters.values())[1:]
    needed = {each.name: 1 for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD}
    url = f"{PROXY}/api/{method}?data={urllib.parse.quote(json.dumps(needed))}"
    found = {
        who: page(url, login, **SIGN)[0] for who, login in {"nobody": "", "viewer": VIEWER, "operator": LOGIN}.items()
    }
    logger.info("%s: %s", method, found)
    assert found["nobody"] == 401
    assert (found["viewer"] not in REFUSED) is (method in VIEWER_METHODS)
    assert (found["operator"] not in REFUSED) is (method in VIEWER_METHODS | OPERATOR_METHODS)


@pytest.mark.parametrize(
    "path",
    [
        "/api/paus%65",
        "/%61pi/pause",
        "//api/pause",
        "/api//pause",
        "/api/pause/",
        "/api/PAUSE",
        "/api/pause;x=1",
        "/api%2fpause",
        "/api/task_list/../pause",
        "/api/task_list/%2e%2e/pause",
        "/api/task_list%2f..%2fpause",
        "/static/../api/pause",
        "/spark/../api/pause",
        "http://luigid:8082/api/pause",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_viewer__changes_nothing_by_an_odd_request(stack, path, method, version):
    login = base64.b64encode(VIEWER.encode()).decode()
    lines = [f"{method} {path} {version}", "Host: localhost", f"Authorization: Basic {login}", "Connection: close"]
    lines += ["X-Requested-With: XMLHttpRequest", "X-HTTP-Method-Override: POST", "Content-Length: 0"]
    lines += [f"X-Operator-Token: {OWN['DASHBOARD_TOKEN']}", f"X-Dashboard-Token: {OWN['DASHBOARD_TOKEN']}", "", ""]
    with socket.create_connection(("127.0.0.1", 8000), timeout=30) as client:
        client.sendall("\r\n".join(lines).encode())
        answer = client.makefile("rb").read()
    assert int(answer.split()[1]) >= 400, answer
    assert json.loads(page(f"{PROXY}/api/is_paused", VIEWER)[1]) == {"response": {"paused": False}}


@pytest.mark.parametrize(
    ("path", "viewer", "operator"),
    [
        ("/", 200, 200),
        ("/metrics", 200, 200),
        ("/spark/", 200, 200),
        ("/spark-history/", 200, 200),
        ("/spark/app/kill/", 401, None),
        ("/spark/%61pp/%6bill", 401, None),
        ("/notebook/api", 401, None),
        ("/%6eotebook/api", 401, None),
        ("//notebook/api", 401, None),
    ],
)
def test_viewer__reads_luigid_and_spark_and_nothing_else(stack, path, viewer, operator):
    """None: whatever answers there."""
    asked = {who: page(PROXY + path, login, **SIGN)[0] for who, login in (("viewer", VIEWER), ("operator", LOGIN))}
    assert asked["viewer"] == viewer
    assert asked["operator"] == operator or (operator is None and asked["operator"] not in REFUSED)


def test_wrong_logins__are_looked_at_once_a_second_and_slow_nobody_elsewhere(stack):
    """Also if the guesser does not wait for the answers."""
    address = ("127.0.0.1", 8000)
    url = f"{PROXY}/api/is_paused"

    def guess(password: str, source: str, patience: float) -> str:
        login = base64.b64encode(f"socialmart:{password}".encode()).decode()
        with socket.create_connection(address, timeout=patience, source_address=(source, 0)) as client:
            client.sendall(f"GET {url} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n".encode())
            try:
                return client.recv(100).decode()[9:12]
            except TimeoutError:
                return ""

    began, found, elsewhere = time.monotonic(), Counter(), Counter()
    while time.monotonic() - began < 3:
        found[guess("wrong", "127.0.0.1", 0.1)] += 1
        found[f"right: {guess(OWN['PROXY_PASSWORD'], '127.0.0.1', 0.1)}"] += 1
        elsewhere[guess(OWN["PROXY_PASSWORD"], "127.0.0.2", 0.5)] += 1
    logger.info("guesses in 3 s: %s; from elsewhere: %s", dict(found), dict(elsewhere))
    assert found[""] + found["401"] <= 4 and found["429"] > 10
    assert found["right: 200"] <= 4 and set(elsewhere) == {"200"}
    time.sleep(1.1)
    began = time.monotonic()
    assert [page(url, LOGIN)[0] for _ in range(20)] == [200] * 20 and time.monotonic() - began < 1
