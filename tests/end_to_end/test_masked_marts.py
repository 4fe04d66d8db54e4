"""What a reader of marts can find out about persons, by a run on documents that are full of them."""

import hashlib
import uuid
from itertools import product

import psycopg2
import pytest

from luigi_tasks.warehouse.schema_names import CANDIDATES, CORE, MARTS_PERSONAL, PUBLISHED, RAW_DATA

PERSONAL = {
    "users": ("user_id", "username", "name", "email"),
    "posts": ("user_id", "post_id", "url"),
    "comments": ("comment_user_id", "author_name", "post_id", "comment_id", "comment_key"),
}
"""Columns of raw_data whose values lead to a person."""
IN_TEXTS = ("cyd.jones@example.org", "@dora_22", "https://example.org/eli", "+49 170 7654321", "203.0.113.77")


def document(user: str, number: int) -> dict[str, object]:
    comment = {"user_id": f"fan-{user}", "comment": f"hi {IN_TEXTS[1]}", "timestamp": "2022-10-09 00:00:00"}
    post = {
        "post_id": f"post-{user}",
        "post_text": f"a text with {IN_TEXTS[number % len(IN_TEXTS)]} and 1,250 likes",
        "location": f"at {IN_TEXTS[2]}",
        "timestamp": "2022-10-08 01:41:04",
        "shares": 2,
        "tags": ["art", IN_TEXTS[0]],
        "reactions": {"like": number},
        "comments": [comment],
    }
    person = {"user_id": user, "username": f"login-{user}", "name": f"Name {user}", "email": f"{user}@example.com"}
    return {**person, "posts": [post]}


@pytest.fixture(scope="module")
def project(make_project):
    made = make_project()
    made.land("2026-01-01.json", [document(f"user-{number}", number) for number in range(12)])
    alone = "post_id,post_text,timestamp,url\npost-of-nobody,alone,2022-10-08 01:41:04,https://example.org/p\n"
    made.land("2026-01-02.csv", alone.encode())
    made.land("2026-01-03.json", [{**document("user-3", 3), "username": "later"}])
    ran = made.run()
    assert ran.code == 0, ran.output
    return made


def read_marts(project, schema: str = "marts") -> dict[str, list[dict[str, object]]]:
    """All rows of all marts, by mart."""
    names = project.rows("select table_name from information_schema.tables where table_schema = %s", schema)
    return {
        name: [row for (row,) in project.rows(f"select to_jsonb(t) from {schema}.{name} as t")] for (name,) in names
    }


def list_personal_values(project) -> set[str]:
    found = set()
    for table, columns in PERSONAL.items():
        for column in columns:
            rows = project.rows(f"select distinct {column} from raw_data.{table} where {column} is not null")
            found |= {str(value) for (value,) in rows}
    return found


def compute_digests(value: str) -> set[str]:
    md5, sha256 = (hashlib.new(name, value.encode()).hexdigest() for name in ("md5", "sha256"))
    return {md5, sha256, str(uuid.UUID(md5)), str(uuid.UUID(sha256[:32]))}


def test_marts__show_no_personal_value_and_nothing_that_is_computed_from_one(project):
    personal = list_personal_values(project)
    assert len(personal) > 60
    shown = {str(value) for rows in read_marts(project).values() for row in rows for value in row.values()}
    pseudonyms = {value for value in shown if len(value) == 36 and value.count("-") == 4}
    guesses = personal | {f" {platform} {value}" for platform, value in product(("native", "another"), personal)}
    keys = {
        str(key)
        for (key,) in project.rows("select user_sk from core.dim_users union select post_sk from core.dim_posts")
    }
    salted = {one + other for pair in product(pseudonyms, personal | keys) for one, other in (pair, pair[::-1])}
    computed = {digest for guess in guesses | keys | salted for digest in compute_digests(guess)}
    assert len(pseudonyms) > 24 and len(computed) > 10_000
    assert shown & (personal | keys | computed) == set()
    assert [text for text in shown for value in (*personal, *IN_TEXTS) if value in text] == []


def test_marts__keep_what_leads_to_nobody_and_can_be_joined(project):
    masked, clear = read_marts(project), read_marts(project, "marts_personal")
    posts = {row["post_text"] for row in masked["content_performance_mart"]}
    assert "a text with [email] and 1,250 likes" in posts and "a text with [ip] and 1,250 likes" in posts
    assert {row["post_timestamp"] for row in masked["content_performance_mart"]} == {"2022-10-08T00:00:00"}
    for name, column in (("content_performance_mart", "total_engagement"), ("user_engagement_mart", "total_likes")):
        assert sorted(row[column] for row in masked[name]) == sorted(row[column] for row in clear[name])
        assert [list(row) for row in masked[name]] == [list(row) for row in clear[name]]
    joined = (
        "select count(*), count(distinct posts.user_sk), count(distinct posts.post_sk), count(distinct posts.post_id) "
        "from {0}.content_performance_mart as posts left join {0}.user_engagement_mart as users using (user_sk)"
    )
    assert project.rows(joined.format("marts")) == project.rows(joined.format("marts_personal")) == [(13, 12, 13, 13)]
    [alone] = [row for row in masked["content_performance_mart"] if row["user_sk"] is None]
    assert alone["post_sk"] and alone["post_id"]


def test_marts__pay_for_pseudonyms_only_where_a_key_is_read(project):
    query = "explain select {}, sum(total_likes) from marts.content_performance_mart group by 1"
    assert "pseudonyms" not in str(project.rows(query.format("location")))
    assert "pseudonyms" in str(project.rows(query.format("post_id")))


def test_analyst__reads_marts_and_nothing_behind_them(project):
    project.rows("create role an_analyst; grant usage on schema marts to an_analyst")
    project.rows("grant select on all tables in schema marts to an_analyst")
    as_analyst = "set role an_analyst; select count(*) from {}"
    assert project.rows(as_analyst.format("marts.content_performance_mart")) == [(13,)]
    assert project.rows("set role an_analyst; select post_text from marts.content_performance_mart limit 1")
    for schema, name in (
        *((PUBLISHED, "pseudonyms"), (PUBLISHED, "int_user_engagement"), (MARTS_PERSONAL, "user_engagement_mart")),
        *((CANDIDATES, "user_engagement_mart"), (CORE, "dim_users"), (RAW_DATA, "users")),
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            project.rows(as_analyst.format(f"{schema}.{name}"))
    queries = project.rows("select definition from pg_views where schemaname = 'marts'")
    assert [value for value in list_personal_values(project) if value in str(queries)] == []


def test_pseudonyms__stay_the_same_whatever_is_published_again(project):
    before = read_marts(project)
    project.rows(
        "drop view marts.user_engagement_mart; delete from etl.table_updates where target_table = 'candidates'"
    )
    ran = project.run()
    assert ran.code == 0, ran.output
    after = read_marts(project)
    assert {name: sorted(map(str, rows)) for name, rows in after.items()} == {
        name: sorted(map(str, rows)) for name, rows in before.items()
    }


def test_setting__shows_marts_without_masks_from_the_next_run_on(project):
    before = read_marts(project)
    project.set({"privacy": {"mask_marts": "false"}})
    assert "masks" in project.socialmart("explain").output
    ran = project.run()
    assert ran.code == 0, ran.output
    assert read_marts(project) == read_marts(project, "marts_personal")
    project.set({"privacy": {"mask_marts": "true"}})
    ran = project.run()
    assert ran.code == 0, ran.output
    assert read_marts(project) == before
    assert project.socialmart("verify").code == 0


def test_verify__finds_a_user_without_a_pseudonym(project):
    project.rows("delete from published.pseudonyms where user_sk = (select user_sk from core.dim_users limit 1)")
    assert "published.pseudonyms" in project.socialmart("verify").output
    ran = project.run()
    assert ran.code == 0, ran.output
    counts = "select count(*) from {}"
    users, known = (project.rows(counts.format(name)) for name in ("core.dim_users", "published.pseudonyms"))
    assert known[0][0] == users[0][0] + 1
