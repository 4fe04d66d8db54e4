"""The audit chain of real runs and commands, and what socialmart audit says of it."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from controls import list_controls
from project import MakeProject, Project

SECONDS_TO_BEGIN = 60


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    """A project that has run twice, the second time with nothing to do; its log is beside it."""
    made = make_project()
    made.land("alice.json", [{"user_id": "ann", "posts": [{"post_id": "p"}]}, {"username": "without an id"}])
    made.set({"quality": {"max_rejected_share": 0.9}})
    ran = made.run()
    assert ran.code == 0, ran.output
    (made.folder / "cron.log").write_text(ran.output)
    assert made.run().code == 0
    return made


def list_events(project: Project) -> list[tuple[str, dict[str, object]]]:
    """Events and details of the chain."""
    shown = json.loads(project.socialmart("audit", "show", "--json").output)
    return [(entry["event"], entry["details"]) for entry in shown]


def verify(project: Project, *arguments: str) -> tuple[int, dict[str, object]]:
    ended = project.socialmart("audit", "verify", "--json", *arguments)
    return ended.code, json.loads(ended.output)


def read_journal(project: Project) -> Path:
    [journal] = project.folder.glob("logs/*/journal.jsonl")
    return journal


def test_run__is_entered_unless_it_has_nothing_to_do(project):
    events = list_events(project)
    assert [event for event, _ in events] == ["warehouse upgraded", "run ended"]
    ended = dict(events)["run ended"]
    assert (ended["task"], ended["code"], ended["outcome"]) == ("RunAll", 0, "done")
    assert ended["stages"] == {
        **dict.fromkeys(("Extract", "Clean", "Audit", "DbtRun", "DbtTest", "Publish", "Report"), 1),
        **{f"Load {table}": 1 for table in ("users", "posts", "comments", "rejected", "issues")},
    }
    assert "alice" not in json.dumps(events)


def test_run__leaves_its_anchor_in_its_log_its_journal_and_the_summary(project):
    last = json.loads(read_journal(project).read_text().splitlines()[-1])
    code, verdict = verify(project)
    assert (code, verdict["faults"], verdict["entries"], verdict["anchors"]) == (0, [], 2, 1)
    assert last["event"] == "run_ended" and last["anchor"] == verdict["head"]
    assert f"the audit chain is at {last['anchor']}" in (project.folder / "cron.log").read_text()
    assert json.loads(project.socialmart("summary", "--json").output)["end"]["anchor"] == last["anchor"]
    assert verify(project, "--log", "cron.log", "--anchor", last["anchor"])[1]["anchors"] == 2
    shown = json.loads(project.socialmart("audit", "show", "--json", "--run", read_journal(project).parent.name).output)
    assert len(shown) == 2 and shown[-1]["hash"] == last["anchor"].partition("@")[0]


def test_command__that_writes_data_out_is_entered(project):
    before = list_events(project)
    assert project.socialmart("rejected", "--export", "rejected.jsonl", "--batch", "alice").code == 0
    assert project.socialmart("rejected", "--export", "/nowhere/rejected.jsonl").code == 1
    assert project.socialmart("report").code == 0
    assert project.socialmart("pg_dump", "--schema-only", "--file", "dump.sql").code == 0
    assert project.socialmart("psql", "-c", "select 'ann', 1 / 0").code == 1
    assert project.socialmart("take-over").code == 0
    assert project.socialmart("rejected").code == 0
    found = [
        (event, {name: value for name, value in details.items() if name not in ("account", "host")})
        for event, details in list_events(project)[len(before) :]
    ]
    begun, ended = "command begun", "command ended"
    assert found == [
        (begun, {"command": "rejected --export"}),
        (ended, {"command": "rejected --export", "outcome": "done", "records": 1}),
        (begun, {"command": "rejected --export"}),
        (ended, {"command": "rejected --export", "outcome": "failed"}),
        (begun, {"command": "report"}),
        (ended, {"command": "report", "outcome": "done"}),
        (begun, {"command": "pg_dump"}),
        (ended, {"command": "pg_dump", "code": 0, "outcome": "done"}),
        (begun, {"command": "psql"}),
        (ended, {"command": "psql", "code": 1, "outcome": "failed"}),
        ("warehouse taken over", {}),
    ]


def test_command__that_cannot_be_entered_writes_no_rejected_records(project):
    [(host,)] = project.rows("select current_setting('unix_socket_directories')")
    project.rows("create role reader login; grant pg_read_all_data to reader")
    reader = {"PGHOST": host.strip('"'), "PGUSER": "reader", "PGDATABASE": "warehouse"}
    ended = project.socialmart("rejected", "--export", "read.jsonl", **reader)
    assert ended.code == 1 and "permission denied for function append_audit" in ended.output
    assert not (project.folder / "read.jsonl").exists()
    asked = project.socialmart("psql", "-Atc", "select 40 + 2", **reader)
    assert asked.code == 0 and "not entered into the audit chain: command begun, psql: " in asked.output
    assert "\n42\n" in asked.output
    dumped = project.socialmart("pg_dump", "--table", "raw_data.users", "--file", "read.sql", **reader)
    assert "not entered into the audit chain: command begun, pg_dump: " in dumped.output
    assert (project.folder / "read.sql").exists() == (dumped.code == 0)


def test_run__is_entered_when_it_begins_to_work_with_what_it_found_changed_by_hand(project):
    before = list_events(project)
    project.rows("delete from published.tag_analysis_mart; insert into published.platform_mart (platform) values ('x')")
    assert project.run().code == 0
    (changed, relations), (begun, task), (ended, _) = list_events(project)[len(before) :]
    assert (changed, begun, ended) == ("changed by hand", "run begun", "run ended")
    assert relations == {"relations": ["published.platform_mart"]}
    assert task["task"] == "RunAll"


def test_run__that_is_killed_has_begun_and_not_ended(project):
    before = len(list_events(project))
    project.land("bob.json", [{"user_id": "bob"}])
    process = project.start(output=subprocess.DEVNULL)
    is_begun = "select event from etl.audit where position > %s"
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while not project.rows(is_begun, before) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert [event for event, _ in list_events(project)[before:]] == ["run begun"]
    assert verify(project)[0] == 0


def test_evidence__of_each_control_can_be_queried(project):
    queries = [control.evidence for control in list_controls() if control.evidence.startswith("select ")]
    without_rows = [query for query in queries if not project.rows(query)]
    assert len(queries) > 5 and without_rows == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--anchor", "abc@1"], "--anchor abc@1: expected HASH@POSITION, as the log of a run has it"),
        (["--log", "nowhere"], "--log nowhere: cannot be read (No such file or directory); name another file"),
        (["--log", "luigi.cfg"], "--log luigi.cfg: there is no anchor of the audit chain in it; name another file"),
    ],
)
def test_verify__refuses_what_is_no_anchor(project, arguments, said):
    ended = project.socialmart("audit", "verify", *arguments)
    assert (ended.code, ended.output) == (1, f"socialmart: {said}\n")


def test_verify__says_in_a_sentence_what_was_tampered_with(project):
    """The last test of this project: its chain is cut."""
    sound = project.socialmart("audit", "verify")
    assert sound.code == 0 and re.match(r"the audit chain is sound: \d+ entries, 2 anchors ", sound.output)
    project.rows("delete from etl.audit where position > 2")
    cut = project.socialmart("audit", "verify")
    assert cut.code == 1
    assert re.match(r"the chain ends with entry 2, but the anchor of entry \d+ is in .*/journal\.jsonl: ", cut.output)
    assert "If you know of one, move the journals that follow elsewhere" in cut.output
    later = [str(path) for path in sorted(project.folder.glob("logs/*/journal.jsonl"))]
    assert cut.output.splitlines()[-1].strip() == later[-1] and later[0] not in cut.output
    project.rows("update etl.audit set login = 'somebody' where position = 1")
    assert "If you know of one" not in project.socialmart("audit", "verify").output, "no restore explains a change"
    project.rows("update etl.audit set login = session_user where position = 1")
    doctor = json.loads(project.socialmart("doctor", "--json").output)
    [finding] = [finding for finding in doctor if finding["check"] == "audit chain"]
    assert finding["level"] == "warn" and finding["text"].endswith("see socialmart audit verify")
    for journal in project.folder.glob("logs/*/journal.jsonl"):
        journal.unlink()
    unanchored = project.socialmart("audit", "verify")
    assert unanchored.code == 0 and "there is no anchor outside the warehouse" in unanchored.output
    project.rows("drop table etl.audit")
    gone = project.socialmart("audit", "verify")
    assert gone.code == 1 and "there is no table etl.audit; the first run makes it" in gone.output
