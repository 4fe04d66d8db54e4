"""The examples of docs/input.md, run."""

import json
import re

from project import MakeProject, Project

from luigi_tasks import paths

PAGE = (paths.PROJECT / "docs" / "input.md").read_text(encoding="utf-8")
FIELDS = ("username", "email", "name", "age", "gender", "date_created")


def read_user(project: Project, user_id: str) -> dict[str, str]:
    """A user of the warehouse as the page shows one: the texts of values, null as such."""
    ((found,),) = project.rows(f"select to_jsonb(u) from core.dim_users as u where user_id = '{user_id}'")
    return {name: str(found[name]).replace("T", " ") if found[name] is not None else "null" for name in FIELDS}


def test_input__its_examples_come_out_as_the_page_says(make_project: MakeProject):
    smallest, whole, partial = re.findall(r"^```json\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    head, _, *rows = re.findall(r"^\| (.+) \|$", PAGE.split("leaves of the user:")[1], re.MULTILINE)
    assert head.split(" | ") == ["partial_users", *FIELDS]
    expected = {cells[0]: dict(zip(FIELDS, cells[1:], strict=True)) for cells in (row.split(" | ") for row in rows)}
    assert list(expected) == ["replace", "fill_in"]

    project = make_project()
    for day, example in enumerate((smallest, whole, partial), 21):
        project.land(f"2026-11-{day}.json", example)
    for setting, user in expected.items():
        project.set({"quality": {"partial_users": setting}})
        ran = project.run()
        assert ran.code == 0, ran.output
        assert read_user(project, "4b30cfe3") == user
    assert project.rows("select count(*) from raw_data.rejected") == [(0,)]
    assert project.rows("select batch, field, rule from raw_data.issues") == [("2026-11-23", "age", "invalid_age")]
    assert set(read_user(project, "ann").values()) == {"null"}

    (document,) = json.loads(whole)
    (post,) = document["posts"]
    assert project.rows(
        "select post_id, post_text, location, post_timestamp::text, shares, likes, love, tags from raw_data.posts"
    ) == [(post["post_id"], post["post_text"], "Sydney", "2022-10-08 01:41:04", 2, 3, 1, ["art", "tech"])]
    assert project.rows(
        "select username, total_comments, comments_made from marts_personal.user_engagement_mart order by username"
    ) == [("courtney", 1, 0), (None, 0, 1)]
