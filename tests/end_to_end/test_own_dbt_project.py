"""A dbt project of one's own with a mart more, which its own privacy.yml describes."""

import json
import shutil

import pytest
from project import REPOSITORY

ENTRY = """
tables:
  author_mart:
    schemas: [candidates, published, marts, marts_personal]
    columns:
      user_key: [user_sk]
      user_name: [username]
      user_figures: [posts]
"""
MODEL = """
select user_sk, username, total_posts as posts from {{ ref('int_user_engagement') }} as engagement
"""
PROPERTIES = """
models:
  - name: author_mart
    description: One row per user.
    columns:
      - {name: user_sk, description: Key of the user., data_type: uuid}
      - {name: username, description: Name of the user., data_type: text}
      - {name: posts, description: Posts of the user., data_type: bigint}
"""


@pytest.fixture(scope="module")
def project(make_project):
    made = make_project()
    own = made.folder / "own_project"
    shutil.copytree(REPOSITORY / "dbt_project", own, ignore=shutil.ignore_patterns("target"))
    (own / "models/marts/author_mart.sql").write_text(MODEL)
    (own / "models/marts/author_mart.yml").write_text(PROPERTIES)
    made.set({"dbt": {"project": "own_project"}})
    person = {"user_id": "ann", "username": "login-ann", "posts": [{"post_id": "p", "post_text": "hello"}]}
    made.land("2026-01-01.json", [person])
    return made


def run(project) -> list[str]:
    """Run, and give back the titles of the stages that did something."""
    before = set((project.folder / "logs").iterdir())
    ran = project.run()
    assert ran.code == 0, ran.output
    [folder] = set((project.folder / "logs").iterdir()) - before
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return [event["title"] for event in events if event["event"] == "finished"]


def test_mart_of_an_own_project__is_published_as_its_own_map_says(project):
    own_map = project.folder / "own_project/privacy.yml"
    refused = project.run()
    assert refused.code != 0
    assert "marts.author_mart.user_sk is not in the map" in refused.output
    assert f"list the columns in {own_map} under a kind whose mask fits" in refused.output

    own_map.write_text(ENTRY)
    stages = run(project)
    assert "Publish" in stages and "DbtRun" not in stages
    [(key, clear_name, posts)] = project.rows("select user_sk, username, posts from marts_personal.author_mart")
    assert (clear_name, posts) == ("login-ann", 1)
    [(pseudonym, name, posts)] = project.rows("select user_sk, username, posts from marts.author_mart")
    assert (name, posts) == (None, 1) and pseudonym != key
    assert "marts.author_mart (user_sk)" in project.socialmart("privacy", "record").output

    own_map.write_text(ENTRY.replace("user_name:", "record_place:"))
    assert run(project) == ["Publish", "Report"]
    assert project.rows("select username from marts.author_mart") == [("login-ann",)]

    own_map.write_text(ENTRY + "  tag_analysis_mart: {schemas: [marts], columns: {tag: [tag]}}\n")
    repeated = project.run()
    assert repeated.code != 0
    assert f"{own_map}: the map of personal data is not valid: " in repeated.output
