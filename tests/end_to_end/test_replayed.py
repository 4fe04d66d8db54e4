"""Rejected records: counted, written out, and replayed after the file or the rule that rejected them was fixed."""

import json
import os
import shutil
import signal
import time

import pytest
from project import REPOSITORY, Project

POST = {"comments": [{"comment": "a comment"}]}
GOOD = [{"user_id": f"u{number}", "posts": [{"post_id": f"p{number}", **POST}]} for number in range(8)]
NO_POST_ID = {"user_id": "u8", "posts": [{"post_id": " ", "comments": [{"comment": "ü"}]}]}
NO_USER_ID = {"user_id": " ", "posts": [{"post_id": "p9"}]}
NOT_JSON = '{"user_id": "u10", '
SOME_USERS_MISSING = [*GOOD, NO_POST_ID, NO_USER_ID, NOT_JSON]

REPLAYED = "select batch, rule, entity, before, came_back, still_rejected, gone from etl.replays order by 1, 2, 3"
SECONDS_TO_COME = 90


def lines(documents: list[object]) -> str:
    return "".join(f"{one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)}\n" for one in documents)


@pytest.fixture
def project(project: Project) -> Project:
    """One batch with rejected records, loaded; another that Audit has stopped; and one without any."""
    project.set({"quality": {"max_rejected_share": 0.9}})
    project.land("a.jsonl", lines(SOME_USERS_MISSING))
    project.land("b.jsonl", "nonsense\n" * 19 + '{"user_id": "b1"}\n')
    project.land("c.jsonl", '{"user_id": "c1"}\n')
    ran = project.run()
    assert ran.code == 30, ran.output
    return project


def users(project: Project) -> list[str]:
    return [user for (user,) in project.rows("select user_id from marts_personal.user_engagement_mart order by 1")]


def fix_file(project: Project) -> None:
    """Fix the first bad document, remove the second, and leave the third."""
    fixed = NO_POST_ID | {"posts": [NO_POST_ID["posts"][0] | {"post_id": "p8"}]}
    project.land("a.jsonl", lines([*GOOD, fixed, NOT_JSON]))


FIXED = [
    ("a", "missing_post_id", "post", 1, 1, 0, 0),
    ("a", "missing_user_id", "document", 1, 0, 0, 1),
    ("a", "not_json", "document", 1, 0, 1, 0),
    ("a", "parent_rejected", "comment", 1, 1, 0, 0),
    ("a", "parent_rejected", "post", 1, 0, 0, 1),
]


def test_rejected__lists_and_exports_what_is_loaded_and_what_is_stopped(project: Project):
    said = project.socialmart("rejected")
    assert said.code == 0, said.output
    assert said.output.splitlines() == [
        "batch  rule             entity    records",
        "a      missing_post_id  post            1",
        "a      missing_user_id  document        1",
        "a      not_json         document        1",
        "a      parent_rejected  comment         1",
        "a      parent_rejected  post            1",
        "b      not_json         document       19  stopped",
        "24 records are rejected",
    ]
    found = json.loads(project.socialmart("rejected", "--json", "--batch", "b").output)
    line = {"batch": "b", "rule": "not_json", "entity": "document", "stopped": True, "records": 19}
    assert found == {"lines": [line], "records": 19}
    said = project.socialmart("rejected", "--export", "rejected.jsonl", "--rule", "parent_rejected")
    assert (said.code, said.output) == (0, "2 records are in rejected.jsonl\n")
    assert [json.loads(line)["raw"] for line in (project.folder / "rejected.jsonl").read_text().splitlines()] == [
        '{"comment": "ü"}',
        '{"post_id": "p9"}',
    ]
    assert len(project.socialmart("rejected", "--export", "-").output.splitlines()) == 24


def test_replay__says_so_when_nothing_was_fixed(project: Project):
    ran = project.run("Replay")
    assert ran.code == 0, ran.output
    assert "Replay: nothing was fixed, 24 records stay rejected" in ran.output
    assert "started, " not in ran.output
    assert project.rows(REPLAYED) == []


def test_replay__tells_what_came_back_after_the_landing_file_was_fixed(project: Project):
    fix_file(project)
    ran = project.run("Replay", "--Replay-batch", "a")
    assert ran.code == 0, ran.output
    assert "Traceback" not in ran.output
    assert "nothing was fixed" not in ran.output
    assert project.rows(REPLAYED) == FIXED
    assert users(project) == ["c1", *(f"u{number}" for number in range(9))]
    said = "missing_post_id post: 1 rejected before = 1 came back + 0 still rejected + 0 gone"
    assert said in ran.output
    assert said in project.socialmart("summary").output
    assert len(json.loads(project.socialmart("summary", "--json").output)["replayed"]) == len(FIXED)


def test_replay__brings_back_a_stopped_batch(project: Project):
    project.land("b.jsonl", "".join(f'{{"user_id": "b{number}"}}\n' for number in range(20)))
    ran = project.run("Replay", "--rule", "not_json")
    assert ran.code == 0, ran.output
    assert [row for row in project.rows(REPLAYED) if row[0] == "b"] == [("b", "not_json", "document", 19, 19, 0, 0)]
    assert "b19" in users(project)


def test_replay__compares_a_batch_that_stays_stopped_only_when_it_is_loaded(project: Project):
    project.land("b.jsonl", "nonsense\n" * 17 + '{"user_id": "b1"}\n')
    fix_file(project)
    ran = project.run("Replay")
    assert ran.code == 30, ran.output
    assert "batch b: 17 of 18 documents were rejected" in ran.output
    assert "Traceback" not in ran.output
    assert project.rows(REPLAYED) == FIXED
    project.land("b.jsonl", "nonsense\n" * 3 + '{"user_id": "b1"}\n' * 4)
    ran = project.run("Replay")
    assert ran.code == 0, ran.output
    assert [row for row in project.rows(REPLAYED) if row[0] == "b"] == [("b", "not_json", "document", 19, 3, 3, 13)]


def test_replay__tells_what_came_back_after_a_rule_was_fixed(project: Project):
    code = project.folder / "fixed"
    for package in ("luigi_tasks", "spark_jobs", "dbt_project"):
        shutil.copytree(REPOSITORY / package, code / package, ignore=shutil.ignore_patterns("target", "__pycache__"))
    tables = code / "spark_jobs" / "cleaning" / "records.py"
    rules = tables.read_text()
    for post_id in ('post("post_id")', 'pc.struct_field(found_posts, "post_id")'):
        assert post_id in rules
        rules = rules.replace(post_id, f'pc.fill_null({post_id}, "unknown")')
    tables.write_text(rules)
    ran = project.run("Replay", "--Replay-batch", "a", PYTHONPATH=str(code))
    assert ran.code == 0, ran.output
    assert project.rows(REPLAYED) == [
        ("a", "missing_post_id", "post", 1, 1, 0, 0),
        ("a", "missing_user_id", "document", 1, 0, 1, 0),
        ("a", "not_json", "document", 1, 0, 1, 0),
        ("a", "parent_rejected", "comment", 1, 1, 0, 0),
        ("a", "parent_rejected", "post", 1, 0, 1, 0),
    ]
    assert project.rows(
        "select total_comments from marts_personal.content_performance_mart where post_id = 'unknown'"
    ) == [(1,)]


def test_killed_replay__is_finished_by_the_next(project: Project):
    fix_file(project)
    process = project.start("Replay", "--Replay-batch", "a")
    deadline = time.monotonic() + SECONDS_TO_COME
    while project.rows("select 1 from raw_data.rejected where rules = '{missing_user_id}'"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert project.rows(REPLAYED) == []
    ran = project.run("Replay", "--Replay-batch", "a")
    assert ran.code == 0, ran.output
    assert project.rows(REPLAYED) == FIXED
    assert "Replay: nothing was fixed, 1 record stays rejected" in project.run("Replay", "--Replay-batch", "a").output


def test_replay__of_an_unknown_batch_says_which_there_are(project: Project):
    ran = project.run("Replay", "--Replay-batch", "d")
    assert ran.code == 35
    assert "no batch d; expected one of: a, b, c" in ran.output
    assert "Traceback" not in ran.output
