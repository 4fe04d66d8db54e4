"""What is inside of documents, up to the marts: keys that stand twice, ids, tags, locations, partial users."""

import shutil

import pytest
from project import MakeProject, Project

FIELDS = "username, email, name, age, age_imputed, gender, date_created::text"
BUILT = ("staging", "core", "intermediate", "candidates", "published", "marts", "marts_personal", "open")


def ledger(project: Project, batch: str) -> dict[str, tuple[int, ...]]:
    """By entity: read, accepted, rejected, duplicate."""
    rows = project.rows(
        "select entity, read, accepted, rejected, duplicate from etl.ledger where batch = %s and measure = 'records'",
        batch,
    )
    return {entity: tuple(counts) for entity, *counts in rows}


def test_documents__lose_nothing_and_count_one_person_and_one_tag_once(make_project: MakeProject) -> None:
    project = make_project({"quality": {"max_rejected_share": 1}})
    comments = '"comments": [{"user_id": 7.0, "comment": "x"}], "comments": [{"user_id": "7", "comment": "y"}, {}]'
    first = f'{{"post_id": 1.0, "shares": 2, "shares": 3, "tags": ["ΟΔΟΣ"], "location": "Cafe\u0301", {comments}}}'
    second = '{"post_id": "2", "tags": ["οδος", "οδοσ"], "location": "Caf\u00e9"}'
    lines = [
        f'{{"user_id": 7, "name": "Ann", "posts": [{first}], "p\\u006fsts": [{second}, 17]}}',
        '{"user_id": 7e0, "name": "Ann B."}',
        '{"user_id": "007", "posts": [{"post_id": 3}], "posts": null, "posts": "none"}',
    ]
    project.land("day.jsonl", "\n".join(lines))
    ran = project.run()
    assert ran.code == 0, ran.output
    assert ledger(project, "day") == {
        "document": (3, 3, 0, 0),
        "user": (3, 2, 0, 1),
        "post": (5, 3, 2, 0),
        "comment": (3, 3, 0, 0),
    }
    counts = "total_posts, total_shares, total_comments, comments_made"
    users = f"select user_id, {counts} from marts_personal.user_engagement_mart"
    assert sorted(project.rows(users)) == [("007", 1, 0, 0, 0), ("7", 2, 3, 3, 2)]
    assert project.rows("select tag, total_posts_with_tag from marts_personal.tag_analysis_mart") == [("οδος", 2)]
    locations = project.rows("select location, total_posts from marts_personal.location_analysis_mart order by 1")
    assert locations == [("Caf\u00e9", 2), ("Unknown Location", 1)]
    interacted = "select post_id, total_users_interacted from marts_personal.content_performance_mart order by 1"
    assert project.rows(interacted) == [("1", 1), ("2", 0), ("3", 0)]
    issues = project.rows("select entity, record_id, field, value from raw_data.issues where rule = 'repeated_key'")
    assert sorted(issues, key=repr) == [
        ("post", "1", "comments", None),
        ("post", "1", "shares", "2"),
        ("user", "007", "posts", None),
        ("user", "7", "posts", None),
    ]


def read_users(project: Project) -> dict[str, tuple[object, ...]]:
    return {user: tuple(row) for user, *row in project.rows(f"select user_id, {FIELDS} from core.dim_users")}


def run(project: Project) -> None:
    ran = project.run()
    assert ran.code == 0, ran.output


@pytest.mark.slow
@pytest.mark.parametrize("fill_missing_age", ["none", "median"])
def test_partial_users__are_filled_in_where_configured_and_as_a_rebuild_does(
    make_project: MakeProject, fill_missing_age: str
) -> None:
    project = make_project({"quality": {"fill_missing_age": fill_missing_age}})
    is_median = fill_missing_age == "median"
    whole = {"user_id": 1, "username": "a", "name": "Ann", "age": 30, "gender": "F", "date_created": "2020-01-01"}
    project.land("2026-01.json", [whole, {"user_id": 2, "age": 50}])
    project.land("2026-03.json", [{"user_id": 1, "email": "a@b.cd"}, {"user_id": 1.0, "username": "b"}, {"user_id": 3}])
    run(project)
    assert read_users(project)["1"] == ("b", None, None, None, False, None, None)
    project.set({"quality": {"partial_users": "fill_in"}})
    assert "settings changed" in project.socialmart("explain").output
    run(project)
    day = "2020-01-01 00:00:00"
    expected = {
        "1": ("b", "a@b.cd", "Ann", 30, False, "f", day),
        "2": (None, None, None, 50, False, None, None),
        "3": (None,) * 4 + (False, None, None),
    }
    assert read_users(project) == expected
    # a batch between the others: its users do not have their last version there
    project.land("2026-02.json", [{"user_id": 1, "name": "Ann B.", "gender": "x"}, {"user_id": 3, "age": 70}])
    run(project)
    expected["1"] = ("b", "a@b.cd", "Ann B.", 30, False, "x", day)
    expected["3"] = (None, None, None, 70, False, None, None)
    assert read_users(project) == expected
    # an earlier batch is corrected, and the user is in it no longer
    project.land("2026-01.json", [{"user_id": 2, "age": 51}])
    run(project)
    imputed = (70, True) if is_median else (None, False)
    expected["1"] = ("b", "a@b.cd", "Ann B.", *imputed, "x", None)
    expected["2"] = (None, None, None, 51, False, None, None)
    assert read_users(project) == expected
    incremental = project.marts()
    for schema in BUILT:
        project.rows(f"drop schema if exists {schema} cascade")
    project.rows("delete from etl.table_updates where target_table in ('candidates', 'candidates tested', 'marts')")
    shutil.rmtree(project.checkpoints)
    run(project)
    assert read_users(project) == expected
    assert project.marts() == incremental
    assert "up to date" in project.run().output
