"""The notification about a run, as a mail server and a web server receive it."""

import email
import email.policy
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from project import MakeProject, Project, Run, free_ports


class Received:
    """What was received by mail and by webhook, and when."""

    def __init__(self, addresses: str) -> None:
        self.addresses = addresses
        self.mails: list[str] = []
        self.posts: list[dict[str, Any]] = []
        self.times: list[float] = []


@contextmanager
def receivers() -> Iterator[Received]:
    smtp = free_ports(2)
    received = Received(
        f"mailto://127.0.0.1:{smtp}?from=pipeline@example.net&to=team@example.net json://127.0.0.1:{smtp + 1}/hook"
    )

    class Mailbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            received.mails.append(envelope.content.decode())
            received.times.append(time.monotonic())
            return "250 OK"

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            received.times.append(time.monotonic())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    mail = Controller(Mailbox(), hostname="127.0.0.1", port=smtp)
    web = HTTPServer(("127.0.0.1", smtp + 1), Hook)
    mail.start()
    Thread(target=web.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        mail.stop()
        web.shutdown()
        web.server_close()


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    made = make_project()
    made.land("2026-01-01.json", [{"user_id": "ann"}])
    assert made.run().code == 0
    return made


def run_with_receivers(project: Project, *arguments: str, **settings: object) -> tuple[Run, Received]:
    project.set({"notify": {"on": "warnings", "stale_hours": 0} | settings})
    with receivers() as received:
        return project.run(*arguments, SOCIALMART_NOTIFY=received.addresses), received


def read_anchor(project: Project) -> str:
    """The anchor in the journal of the last run."""
    [*_, journal] = sorted(project.folder.glob("logs/*/journal.jsonl"))
    return json.loads(journal.read_text().splitlines()[-1])["anchor"]


def test_notification__of_a_failure_has_its_reason_the_log_and_how_to_run_again(project):
    project.land("2026-01-02.json", '[{"user_id": "ben"}, {')
    ran, received = run_with_receivers(project)
    assert ran.code == 30
    [post], [mail] = received.posts, received.mails
    assert post["type"] == "failure"
    assert post["title"].endswith(" failed")
    for expected in (
        "Failed:\n- Audit 2026-01-02: batch 2026-01-02, file 2026-01-02.json: at byte 22: the array is cut short; ",
        "Stages:\n- Extract 2026-01-02: done, ",
        "INFO Audit 2026-01-02: started, 1 batch\n",
        f"To run again, from the last finished target:\ncd {project.folder} && ",
        "/luigi --module luigi_tasks RunAll",
        f"\n\nAudit chain: {read_anchor(project)}",
    ):
        assert expected in post["message"], post["message"]
    assert "INFO Extract" not in post["message"]
    parsed = email.message_from_string(mail, policy=email.policy.default)
    assert (parsed["From"], parsed["To"]) == ("pipeline@example.net", "team@example.net")
    assert parsed.get_content_type() == "text/plain"
    assert parsed.get_content().splitlines() == post["message"].splitlines()
    project.landing.joinpath("2026-01-02.json").unlink()


@pytest.mark.slow
def test_notification__of_the_same_failure_says_still_and_of_its_end_that_all_is_well(project):
    project.run()
    bad, titles = project.land("2026-01-02.json", '[{"user_id": "ben"}, {'), []
    others = project.landing / "2026-01-02b.json"

    def run_and_read(*arguments: str, on: str = "warnings") -> dict[str, Any]:
        _, received = run_with_receivers(project, *arguments, on=on)
        [post] = received.posts
        titles.append(post["title"].partition(" on ")[2].partition(" ")[2])
        return post

    run_and_read()
    post = run_and_read()
    assert post["message"].startswith("The same failure as before: it has ended 2 runs since 20")
    assert "Failed:\n- Audit 2026-01-02: batch 2026-01-02, " in post["message"]
    others.write_text("")
    run_and_read()
    others.unlink()
    run_and_read()
    run_and_read()
    assert run_with_receivers(project, "Extract", "--Extract-batch", "2026-01-01")[1].posts == []  # it is still so
    assert run_with_receivers(project, on="never")[1].posts == []
    run_and_read()
    bad.unlink()
    assert run_and_read(on="failure")["type"] == "success"
    assert titles == [
        "failed",
        "still failed",
        "failed",
        "failed",
        *["still failed"] * 2,
        "is well again: it succeeded",
    ]
    assert run_with_receivers(project)[1].posts == []


def test_notification__of_a_warning_is_sent_unless_only_failures_are_wanted(project):
    project.land("2026-01-03.json", [{"user_id": "cyd", "shoe_size": 43}])
    ran, received = run_with_receivers(project)
    assert ran.code == 0
    [post] = received.posts
    assert (post["type"], len(received.mails)) == ("warning", 1)
    assert "Unusual:\n- batch 2026-01-03: unknown fields: shoe_size" in post["message"]
    assert "To run again" not in post["message"]
    project.land("2026-01-04.json", [{"user_id": "dot", "hat_size": 57}])
    assert run_with_receivers(project, on="failure")[1].posts == []


@pytest.mark.parametrize(("on", "messages"), [("warnings", 0), ("always", 1), ("never", 0)])
def test_notification__of_nothing_to_do_is_sent_only_with_on_always(project, on, messages):
    project.run()
    ran, received = run_with_receivers(project, on=on)
    assert ran.code == 0
    assert [post["type"] for post in received.posts] == ["success"] * messages


def test_notification__of_missing_data_is_sent_after_stale_hours(project):
    project.run()
    project.rows("update etl.stages set started_at = started_at - interval '30 hours'")
    ran, received = run_with_receivers(project, stale_hours=26)
    assert ran.code == 0
    [post] = received.posts
    assert "Unusual:\n- nothing was loaded for 30." in post["message"]
    assert run_with_receivers(project, stale_hours=40)[1].posts == []


def test_notification__of_a_missing_server_is_sent(project):
    project.set({"warehouse": {"retries": 1}})
    with receivers() as received:
        ran = project.run(SOCIALMART_NOTIFY=received.addresses, PGHOST="127.0.0.1", PGPORT="1")
    assert ran.code == 35
    [post] = received.posts
    assert "Failed:\n- RunAll: " in post["message"]
    assert "the server cannot be reached" in post["message"]


@pytest.mark.parametrize("address", ["nonsense", "json://127.0.0.1:1/s3cret"])
def test_notification__that_cannot_be_sent_changes_nothing_and_reveals_no_secret(project, address):
    project.set({"notify": {"on": "always"}})
    ran = project.run(SOCIALMART_NOTIFY=address)
    assert ran.code == 0
    assert "SOCIALMART_NOTIFY" in ran.output
    assert "s3cret" not in ran.output
    assert "Traceback" not in ran.output
