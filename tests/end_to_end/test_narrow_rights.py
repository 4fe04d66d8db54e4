"""The whole pipeline as a role that may create neither schemas nor temporary tables: an administrator made them."""

import json
from collections.abc import Iterator

import pytest
from external import ExternalServer, external_server
from project import MakeProject, Project, Run

from luigi_tasks.warehouse.schema_names import SCHEMAS


def make_users(count: int) -> list[object]:
    return [
        {"user_id": f"u{number}", "posts": [{"post_id": f"p{number}", "tags": ["a"], "comments": [{"comment": "c"}]}]}
        for number in range(count)
    ]


@pytest.fixture
def server() -> Iterator[ExternalServer]:
    with external_server() as running:
        running.rows("create role administrator; create role pipeline login")
        running.rows("create database narrow owner administrator")
        running.rows("revoke all on database narrow from public; grant connect on database narrow to pipeline")
        made = "; ".join(f"create schema {name} authorization administrator" for name in SCHEMAS)
        running.rows(f"{made}; grant usage, create on schema {', '.join(SCHEMAS)} to pipeline", "narrow")
        yield running


def test_pipeline__needs_no_right_to_create_schemas_or_temporary_tables(
    make_project: MakeProject, server: ExternalServer
):
    project = make_project()
    variables = server.lead_to("narrow", "pipeline")

    def ask(*command: str) -> Run:
        ended = project.socialmart(*command, **variables)
        assert ended.code == 0, ended.output
        return ended

    project.land("2026-01-01.json", [*make_users(6), {"username": "without an id"}])
    project.land("2026-01-02.json", [{"username": "stopped"}, {"user_id": "u9"}])
    ran = project.run(**variables)
    assert ran.code == 30 and "1 of 2 documents were rejected" in ran.output, ran.output
    assert server.rows("select count(*) from marts_personal.user_engagement_mart", "narrow") == [(6,)]

    found = json.loads(ask("rejected", "--json").output)
    assert [(line["batch"], line["stopped"], line["records"]) for line in found["lines"]] == [
        ("2026-01-01", False, 1),
        ("2026-01-02", True, 1),
    ]
    assert [json.loads(line)["batch"] for line in ask("rejected", "--export", "-").output.splitlines()] == [
        "2026-01-01",
        "2026-01-02",
    ]

    project.land("2026-01-01.json", make_users(7))
    project.land("2026-01-02.json", [{"user_id": "u10"}, {"user_id": "u9"}])
    replayed = project.run("Replay", **variables)
    assert replayed.code == 0, replayed.output
    assert "missing_user_id document: 2 rejected before = 2 came back + 0 still rejected + 0 gone" in replayed.output
    assert server.rows("select count(*) from marts_personal.user_engagement_mart", "narrow") == [(9,)]
    assert "all rows of raw_data, core and the marts are as they were" in ask("verify").output
    ask("verify", "--repair")
    assert "user pipeline may write to database narrow" in ask("doctor").output
    left = server.rows(
        "select relname from pg_class where relnamespace = 'etl'::regnamespace and relpersistence <> 'p'", "narrow"
    )
    assert left == []


def test_run__names_the_right_that_was_taken_later(make_project: MakeProject, server: ExternalServer):
    project: Project = make_project()
    variables = server.lead_to("narrow", "pipeline")
    server.rows("revoke create on schema core from pipeline", "narrow")
    project.land("2026-01-01.json", make_users(2))
    grant = "user pipeline may not create tables in core: grant usage, create on schema core to pipeline"
    refused = project.run(**variables)
    assert refused.code != 0 and f"{grant}; nothing was changed" in refused.output, refused.output
    assert server.rows("select relname from pg_class where relnamespace = 'etl'::regnamespace", "narrow") == []

    server.rows("grant usage, create on schema core to pipeline", "narrow")
    assert project.run(**variables).code == 0
    server.rows("revoke create on schema core from pipeline", "narrow")
    project.land("2026-01-02.json", [{"user_id": "u9"}])
    failed = project.run(**variables)
    assert failed.code == 30 and grant in failed.output.splitlines()[-1], failed.output
