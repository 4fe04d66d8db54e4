"""One batch for each row of the design's table of faults, all through one run of the whole pipeline."""

import bz2
import gzip
import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

NOT_ACCEPTED = {"rejected": 0, "duplicate": 0, "skipped": 0}
MEASURES = ("shares", "likes", "love", "wow", "haha", "sad", "angry")
NASTY = 'a "quoted" \\ back\nslash,\r\n\\.\n\ttab {1} \\N 🐎'


def document(user_id: object, *posts: object, **fields: object) -> dict[str, object]:
    return {"user_id": user_id, "posts": list(posts), **fields}


def post(post_id: object, *comments: object, **fields: object) -> dict[str, object]:
    return {"post_id": post_id, "comments": list(comments), **fields}


def comment(user_id: object, text: object, timestamp: object = "2026-01-01 00:00:00") -> dict[str, object]:
    return {"user_id": user_id, "comment": text, "timestamp": timestamp}


def packed_pretty(value: object) -> bytes:
    return bz2.compress(b"\xef\xbb\xbf" + json.dumps(value, indent=4).encode())


WHOLE = document("whole-u1", post("whole-p1", comment("whole-u1", "x"), shares=1))
TEXT = json.dumps([WHOLE] * 1000).encode()
FIRST = 1
"""The position of an array's first document: the byte after the bracket."""

LANDED: dict[str, object] = {
    "array-cut-short.json": json.dumps([WHOLE, WHOLE])[:-30],
    "part-cut-short/part-1.json": [document("part-cut-short-u1")],
    "part-cut-short/part-2.json": '[{"user_id": "part-cut-short-u2"}, {"user_id": "u3", "name": "Zo',
    "damaged-gzip.json.gz": gzip.compress(TEXT)[:-8] + b"\0" * 8,
    "too-many-rejected.jsonl": "nonsense\n" * 19 + '{"user_id": "too-many-rejected-u1"}\n',
    "not-json.jsonl": '{"user_id": "not-json-u1"}\n{"user_id": "not-json-u2", \r\n{"user_id": "not-json-u3"}\n',
    "no-user-id.json": [
        document(None, post("no-user-id-p1", comment("u", "a"), shares=5, reactions={"sad": 2}), post(None), age=-1),
        document("no-user-id-u1", post("no-user-id-p2", comment("u", "b"), shares=7)),
    ],
    "no-post-id.json": [
        document("no-post-id-u1", post(" ", comment("u", "a"), shares=5), post("no-post-id-p1", comment("u", "b")))
    ],
    "user-twice/b.json": [
        document("user-twice-u1", post("user-twice-p3"), name="third"),
        document("user-twice-u1", post("user-twice-p4"), name="last"),
    ],
    "user-twice/a.jsonl": "\n".join(
        json.dumps(document("user-twice-u1", post(f"user-twice-p{number}"), name=name))
        for number, name in ((1, "first"), (2, "second"))
    ),
    "user-twice-again.json": [document("user-twice-u1", post("user-twice-again-p1"), name="of a later batch")],
    "post-twice.json": [
        document("post-twice-u1", post("post-twice-p1", comment("u", "a"), shares=1, reactions={"like": 10})),
        document(
            "post-twice-u2",
            post("post-twice-p1", comment("u", "b"), shares=2),
            post("post-twice-p1", comment("u", "c"), shares=4),
        ),
    ],
    "comment-twice.json": [
        document(
            "comment-twice-u1",
            post(
                "comment-twice-p1",
                comment("u", "a"),
                comment("u ", " a", "2026-01-01T01:00:00+01:00"),
                comment("u", "A"),
            ),
        )
    ],
    "unusable-fields.json": [
        document(
            "unusable-fields-u1",
            post("unusable-fields-p1", comment("u", "a", "1.1.2026"), timestamp="2023-02-29 00:00:00"),
            age=121,
            email="nobody",
            date_created=17,
        ),
        document("unusable-fields-u2", age="32.5"),
        document("unusable-fields-u3", age="120"),
    ],
    "missing-age.json": [document("missing-age-u1"), document("missing-age-u2", age=40)],
    "missing-counts.json": [
        document(
            "missing-counts-u1",
            post("missing-counts-p1"),
            post("missing-counts-p2", shares=None, reactions={"like": None, "wow": 3}),
            post("missing-counts-p3", reactions=None),
        )
    ],
    "unusable-counts.json": [
        document(
            "unusable-counts-u1",
            post("unusable-counts-p1", shares=-1, reactions={"like": -2, "love": 1.5, "wow": "x", "sad": 4}),
        )
    ],
    "bare-comments.json": [
        document("bare-comments-u1", post("bare-comments-p1", {}, comment(None, "a"), comment("u", None)))
    ],
    "nul-character.json": [
        document(
            "nul-character\0-u1",
            post("nul-character-p1", comment("u", "a\0b"), post_text="\0", location="New\0York", tags=["a\0", "b"]),
            username="Zo\0e",
        ),
        document("\0", name="\0"),
    ],
    "unknown-field.json": [
        document(
            "unknown-field-u1",
            post("unknown-field-p1", {"likes": 1}, mood="x", reactions={"care": 1}),
            post("unknown-field-p2", mood="y"),
            karma={"a": 1},
        )
    ],
    "normal-form.json.bz2": packed_pretty(
        document(
            " normal-form-u1 ",
            post(
                "normal-form-p1\n",
                comment(" u ", NASTY, "2026-01-01T00:00:00.25+0530"),
                post_text=f" {NASTY}\n",
                location=" New \t\n York ",
                timestamp="2026-01-01T00:30:00+01:00",
                shares="2",
                tags=[" #Art ", "art", "b,c", '"', "\\", "null", "", "##"],
                reactions={"like": 1, "love": 2, "wow": 3, "haha": 4, "sad": 5, "angry": 6},
            ),
            username=" Zoë ",
            email=" Zoe@Example.NET",
            name="Zoë  Q.",
            age=32,
            gender="FEMALE",
            date_created="2015-07-16",
        )
    ),
    "empty.json": "",
    "empty-array.json": "[]",
    "odd name, 100% ü #1.jsonl": '{"user_id": "odd-name-u1"}\n',
    "being-written.json.part": "[",
    "_being-written.json": "[",
}

STOPPED = {"array-cut-short", "part-cut-short", "damaged-gzip", "too-many-rejected", "empty"}


@dataclass(frozen=True)
class Outcome:
    """The project after its run, and how that ended."""

    project: Any
    run: Any

    def rows(self, table: str, batch: str, columns: str) -> list[tuple[Any, ...]]:
        """Columns of a raw table's rows of a batch, in the order of their places."""
        places = {
            "users": "file, position",
            "posts": "file, position, post_index",
            "comments": "file, position, post_index, comment_index",
        }
        order = places.get(table, "entity, file, position, post_index, comment_index")
        order += ", field, rule" if table == "issues" else ""
        return self.project.rows(f"select {columns} from raw_data.{table} where batch = %s order by {order}", batch)

    def users(self, batch: str) -> list[tuple[Any, ...]]:
        return self.rows("users", batch, "user_id, username, email, name, age, age_imputed, gender, date_created")

    def posts(self, batch: str) -> list[tuple[Any, ...]]:
        columns = f"post_id, user_id, post_text, location, post_timestamp, {', '.join(MEASURES)}, tags"
        return self.rows("posts", batch, columns)

    def comments(self, batch: str) -> list[tuple[Any, ...]]:
        return self.rows("comments", batch, "post_id, comment_user_id, comment_text, comment_timestamp")

    def rejected(self, batch: str) -> list[tuple[Any, ...]]:
        return self.rows("rejected", batch, "entity, file, position, post_index, comment_index, rules, raw")

    def issues(self, batch: str) -> list[tuple[Any, ...]]:
        columns = "entity, record_id, position, post_index, comment_index, field, rule, value"
        return self.rows("issues", batch, columns)

    def ledger(self, batch: str) -> dict[tuple[str, str], tuple[int, int, int, int]]:
        """What is not all zero in etl.ledger: (entity, measure) to read, accepted, rejected, duplicate."""
        rows = self.project.rows(
            "select entity, measure, read, accepted, rejected, duplicate from etl.ledger where batch = %s", batch
        )
        return {(entity, measure): tuple(counts) for entity, measure, *counts in rows if any(counts)}


@pytest.fixture(scope="module")
def outcome(make_project) -> Outcome:
    project = make_project({"quality": {"max_rejected_share": 0.9, "fill_missing_age": "none"}})
    for name, content in LANDED.items():
        project.land(name, content)
    return Outcome(project, project.run())


# Batches that are refused


def test_run__says_file_and_place_for_every_stopped_batch_and_ends_in_code_30(outcome):
    said = [line.strip() for line in outcome.run.output.splitlines() if line.strip().startswith("batch ")]
    refused = "nothing of the batch is loaded; replace the file and run again"
    cut, part = (len(str(LANDED[name]).encode()) for name in ("array-cut-short.json", "part-cut-short/part-2.json"))
    assert sorted(said) == [
        f"batch array-cut-short, file array-cut-short.json: at byte {cut:,}: the array is cut short; {refused}",
        "batch damaged-gzip, file damaged-gzip.json.gz: at byte 0: damaged compressed data "
        f"(CRC check failed 0x0 != {zlib.crc32(TEXT):#x}); {refused}",
        f"batch empty, file empty.json: at byte 0: nothing is in it; an export without records is []; {refused}",
        f"batch part-cut-short, file part-2.json: at byte {part:,}: the array is cut short; {refused}",
        "batch too-many-rejected: 19 of 20 documents were rejected, at most 90% allowed; look at them with "
        "socialmart rejected, fix the file or set [quality] max_rejected_share",
    ]
    assert outcome.run.code == 30


@pytest.mark.parametrize("batch", sorted(STOPPED))
def test_stopped_batch__leaves_no_row_and_no_marker_and_its_ledger_says_why(outcome, batch):
    tables = ("users", "posts", "comments", "rejected", "issues")
    assert [outcome.rows(table, batch, "*") for table in tables] == [[]] * 5
    markers = outcome.project.rows("select target_table from etl.table_updates where batch = %s", batch)
    assert markers == [("etl.ledger",)]
    ledger = outcome.project.ledger(batch)
    assert (ledger["verdict"], f"batch {batch}" in ledger["reason"]) == ("stopped", True)


def test_batch_that_audit_stops__is_in_the_warehouse_ledger(outcome):
    rows = outcome.project.rows("select distinct batch from etl.ledger where verdict = 'stopped'")
    assert rows == [("too-many-rejected",)]
    assert outcome.ledger("too-many-rejected") == {
        ("document", "records"): (20, 1, 19, 0),
        ("user", "records"): (1, 1, 0, 0),
    }


def test_all_other_batches__are_loaded_whole_and_in_the_marts(outcome):
    landed = {name.split("/")[0].split(".")[0] for name in LANDED}
    admitted = landed - STOPPED - {"being-written", "_being-written"}
    markers = outcome.project.rows(
        "select batch, count(*) from etl.table_updates where target_table like 'raw_data.%%' group by 1"
    )
    assert dict(markers) == dict.fromkeys(admitted, 5)
    marts = {"user": "user_engagement_mart", "post": "content_performance_mart"}
    for entity, mart in marts.items():
        raw = outcome.project.rows(f"select distinct {entity}_id from raw_data.{entity}s order by 1")
        assert outcome.project.rows(f"select {entity}_id from marts_personal.{mart} order by 1") == raw
    assert outcome.project.rows("select target_table from etl.table_updates where batch = '' order by 1") == [
        ("candidates",),
        ("candidates tested",),
        ("marts",),
    ]


def test_empty_array__is_a_batch_without_records(outcome):
    assert outcome.ledger("empty-array") == {}
    assert outcome.project.ledger("empty-array")["verdict"] == "passed"


def test_batch__may_have_an_odd_name(outcome):
    assert outcome.users("odd name, 100% ü #1") == [user("odd-name-u1")]


# Records that are rejected


def position(name: str, number: int) -> int:
    """The byte at which a document of a landed array starts."""
    return json.dumps(LANDED[name]).index(json.dumps(LANDED[name][number]))


def user(user_id: str, **fields: object) -> tuple[object, ...]:
    names = ("username", "email", "name", "age", "age_imputed", "gender", "date_created")
    return (user_id, *(({"age_imputed": False} | fields).get(name) for name in names))


def row_of_post(post_id: str, user_id: str, **fields: object) -> tuple[object, ...]:
    names = ("post_text", "location", "post_timestamp", *MEASURES, "tags")
    return (post_id, user_id, *((dict.fromkeys(MEASURES, 0) | {"tags": []} | fields).get(name) for name in names))


def at(text: str = "2026-01-01 00:00:00") -> datetime:
    return datetime.fromisoformat(text)


def test_line_that_is_not_json__is_rejected(outcome):
    place = len('{"user_id": "not-json-u1"}\n')
    assert outcome.users("not-json") == [user("not-json-u1"), user("not-json-u3")]
    assert outcome.rejected("not-json") == [
        ("document", "not-json.jsonl", place, None, None, ["not_json"], '{"user_id": "not-json-u2",')
    ]
    assert outcome.ledger("not-json") == {("document", "records"): (3, 2, 1, 0), ("user", "records"): (2, 2, 0, 0)}


def test_document_without_user_id__is_rejected_with_everything_under_it(outcome):
    lost, _ = LANDED["no-user-id.json"]
    place = ("no-user-id.json", FIRST)
    assert outcome.users("no-user-id") == [user("no-user-id-u1")]
    assert outcome.posts("no-user-id") == [row_of_post("no-user-id-p2", "no-user-id-u1", shares=7)]
    assert outcome.comments("no-user-id") == [("no-user-id-p2", "u", "b", at())]
    assert outcome.rejected("no-user-id") == [
        ("comment", *place, 0, 0, ["parent_rejected"], json.dumps(lost["posts"][0]["comments"][0])),
        ("document", *place, None, None, ["missing_user_id"], json.dumps(lost)),
        ("post", *place, 0, None, ["parent_rejected"], json.dumps(lost["posts"][0])),
        ("post", *place, 1, None, ["parent_rejected", "missing_post_id"], json.dumps(lost["posts"][1])),
    ]
    assert outcome.issues("no-user-id") == []
    assert outcome.ledger("no-user-id") == {
        ("document", "records"): (2, 1, 1, 0),
        ("user", "records"): (1, 1, 0, 0),
        ("post", "records"): (3, 1, 2, 0),
        ("post", "shares"): (12, 7, 5, 0),
        ("post", "sad"): (2, 0, 2, 0),
        ("comment", "records"): (2, 1, 1, 0),
    }


def test_post_without_post_id__is_rejected_with_everything_under_it(outcome):
    lost = LANDED["no-post-id.json"][0]["posts"][0]
    place = ("no-post-id.json", FIRST, 0)
    assert outcome.users("no-post-id") == [user("no-post-id-u1")]
    assert outcome.posts("no-post-id") == [row_of_post("no-post-id-p1", "no-post-id-u1")]
    assert outcome.comments("no-post-id") == [("no-post-id-p1", "u", "b", at())]
    assert outcome.rejected("no-post-id") == [
        ("comment", *place, 0, ["parent_rejected"], json.dumps(lost["comments"][0])),
        ("post", *place, None, ["missing_post_id"], json.dumps(lost)),
    ]
    assert outcome.ledger("no-post-id") == {
        ("document", "records"): (1, 1, 0, 0),
        ("user", "records"): (1, 1, 0, 0),
        ("post", "records"): (2, 1, 1, 0),
        ("post", "shares"): (5, 0, 5, 0),
        ("comment", "records"): (2, 1, 1, 0),
    }


# Records that are there twice


def test_user_twice__is_the_last_by_file_and_position_with_the_posts_of_all(outcome):
    assert outcome.users("user-twice") == [user("user-twice-u1", name="last")]
    posts = [row_of_post(f"user-twice-p{number}", "user-twice-u1") for number in (1, 2, 3, 4)]
    assert outcome.posts("user-twice") == posts
    assert outcome.ledger("user-twice") == {
        ("document", "records"): (4, 4, 0, 0),
        ("user", "records"): (4, 1, 0, 3),
        ("post", "records"): (4, 4, 0, 0),
    }


def test_user_twice__is_the_one_of_the_later_batch_in_the_marts_with_the_posts_of_both(outcome):
    found = outcome.project.rows(
        "select users.name, marts.total_posts from core.dim_users as users "
        "join marts_personal.user_engagement_mart as marts using (user_sk) where users.user_id = 'user-twice-u1'"
    )
    assert found == [("of a later batch", 5)]


def test_post_twice__is_the_last_with_the_comments_of_all(outcome):
    assert outcome.posts("post-twice") == [row_of_post("post-twice-p1", "post-twice-u2", shares=4)]
    assert outcome.comments("post-twice") == [("post-twice-p1", "u", text, at()) for text in "abc"]
    assert outcome.ledger("post-twice") == {
        ("document", "records"): (2, 2, 0, 0),
        ("user", "records"): (2, 2, 0, 0),
        ("post", "records"): (3, 1, 0, 2),
        ("post", "shares"): (7, 4, 0, 3),
        ("post", "likes"): (10, 0, 0, 10),
        ("comment", "records"): (3, 3, 0, 0),
    }
    assert outcome.project.rows(
        "select total_shares, total_likes, total_comments, total_users_interacted, total_engagement "
        "from marts_personal.content_performance_mart where post_id = 'post-twice-p1'"
    ) == [(4, 0, 3, 1, 7)]


def test_comment_twice__counts_once(outcome):
    assert outcome.comments("comment-twice") == [("comment-twice-p1", "u", text, at()) for text in "aA"]
    assert outcome.ledger("comment-twice")["comment", "records"] == (3, 2, 0, 1)


# Fields that are corrected


def test_unusable_age_email_and_time__become_null_with_one_issue_each(outcome):
    batch = "unusable-fields"
    assert outcome.users(batch) == [user(f"{batch}-u1"), user(f"{batch}-u2"), user(f"{batch}-u3", age=120)]
    assert outcome.posts(batch) == [row_of_post(f"{batch}-p1", f"{batch}-u1")]
    assert outcome.comments(batch) == [(f"{batch}-p1", "u", "a", None)]
    assert outcome.issues(batch) == [
        ("comment", f"{batch}-p1", FIRST, 0, 0, "timestamp", "unreadable_time", "1.1.2026"),
        ("post", f"{batch}-p1", FIRST, 0, None, "timestamp", "unreadable_time", "2023-02-29 00:00:00"),
        ("user", f"{batch}-u1", FIRST, None, None, "age", "invalid_age", "121"),
        ("user", f"{batch}-u1", FIRST, None, None, "date_created", "unreadable_time", "17"),
        ("user", f"{batch}-u1", FIRST, None, None, "email", "invalid_email", "nobody"),
        ("user", f"{batch}-u2", position(f"{batch}.json", 1), None, None, "age", "invalid_age", "32.5"),
    ]
    assert outcome.project.ledger(batch)["issues"] == 6


def test_missing_age__stays_null(outcome):
    assert outcome.users("missing-age") == [user("missing-age-u1"), user("missing-age-u2", age=40)]
    assert outcome.issues("missing-age") == []


def test_missing_reactions_and_shares__are_0_without_an_issue(outcome):
    batch = "missing-counts"
    assert outcome.posts(batch) == [
        row_of_post(f"{batch}-p1", f"{batch}-u1"),
        row_of_post(f"{batch}-p2", f"{batch}-u1", wow=3),
        row_of_post(f"{batch}-p3", f"{batch}-u1"),
    ]
    assert outcome.issues(batch) == []


def test_unusable_reactions_and_shares__are_0_with_one_issue_each(outcome):
    batch = "unusable-counts"
    place = ("post", f"{batch}-p1", FIRST, 0, None)
    assert outcome.posts(batch) == [row_of_post(f"{batch}-p1", f"{batch}-u1", sad=4)]
    assert outcome.issues(batch) == [
        (*place, "reactions.like", "invalid_count", "-2"),
        (*place, "reactions.love", "invalid_count", "1.5"),
        (*place, "reactions.wow", "invalid_count", "x"),
        (*place, "shares", "invalid_count", "-1"),
    ]
    assert outcome.ledger(batch)["post", "sad"] == (4, 4, 0, 0)


def test_comment_without_user_or_text__is_kept(outcome):
    post_id = "bare-comments-p1"
    assert outcome.comments("bare-comments") == [
        (post_id, None, "", None),
        (post_id, None, "a", at()),
        (post_id, "u", "", at()),
    ]
    assert outcome.issues("bare-comments") == []
    assert outcome.project.rows(
        "select total_comments, total_users_interacted from marts_personal.content_performance_mart where post_id = %s",
        post_id,
    ) == [(3, 1)]


def test_nul_character__is_removed_with_one_issue(outcome):
    batch = "nul-character"
    assert outcome.users(batch) == [user(f"{batch}-u1", username="Zoe")]
    assert outcome.posts(batch) == [
        row_of_post(f"{batch}-p1", f"{batch}-u1", post_text="", location="NewYork", tags=["a", "b"])
    ]
    assert outcome.comments(batch) == [(f"{batch}-p1", "u", "ab", at())]
    place = ("post", f"{batch}-p1", FIRST, 0, None)
    assert outcome.issues(batch) == [
        ("comment", f"{batch}-p1", FIRST, 0, 0, "comment", "nul_character", "a\u2400b"),
        (*place, "location", "nul_character", "New\u2400York"),
        (*place, "post_text", "nul_character", "\u2400"),
        (*place, "tags", "nul_character", "a\u2400, b"),
        ("user", f"{batch}-u1", FIRST, None, None, "user_id", "nul_character", "nul-character\u2400-u1"),
        ("user", f"{batch}-u1", FIRST, None, None, "username", "nul_character", "Zo\u2400e"),
    ]
    raw, place = json.dumps(LANDED[f"{batch}.json"][1]), position(f"{batch}.json", 1)
    assert outcome.rejected(batch) == [("document", f"{batch}.json", place, None, None, ["missing_user_id"], raw)]


def test_unknown_field__is_ignored_and_named_once_as_drift(outcome):
    batch = "unknown-field"
    assert outcome.users(batch) == [user(f"{batch}-u1")]
    assert outcome.posts(batch) == [row_of_post(f"{batch}-p{number}", f"{batch}-u1") for number in (1, 2)]
    assert outcome.comments(batch) == [(f"{batch}-p1", None, "", None)]
    assert outcome.issues(batch) == []
    drift = ["karma", "posts.comments.likes", "posts.mood", "posts.reactions.care"]
    assert outcome.project.ledger(batch)["drift"] == drift


def test_normal_form__of_every_field_comes_through_to_the_warehouse(outcome):
    batch = "normal-form"
    assert outcome.users(batch) == [
        user(
            f"{batch}-u1",
            username="Zoë",
            email="zoe@example.net",
            name="Zoë  Q.",
            age=32,
            gender="female",
            date_created=at("2015-07-16"),
        )
    ]
    counts = {"shares": 2, "likes": 1, "love": 2, "wow": 3, "haha": 4, "sad": 5, "angry": 6}
    assert outcome.posts(batch) == [
        row_of_post(
            f"{batch}-p1",
            f"{batch}-u1",
            post_text=NASTY,
            location="New York",
            post_timestamp=at("2025-12-31 23:30:00"),
            tags=["art", "b,c", '"', "\\", "null"],
            **counts,
        )
    ]
    assert outcome.comments(batch) == [(f"{batch}-p1", "u", NASTY, at("2025-12-31 18:30:00.250000"))]
    assert outcome.project.ledger(batch) == {
        "batch": batch,
        "verdict": "passed",
        "reason": None,
        "entries": [
            {"entity": entity, "measure": measure, "read": count, "accepted": count, **NOT_ACCEPTED}
            for entity, measure, count in (
                *((entity, "records", 1) for entity in ("document", "user", "post", "comment")),
                *(("post", measure, count) for measure, count in counts.items()),
            )
        ],
        "drift": [],
        "issues": 0,
    }
    assert outcome.project.rows(
        "select posts, comments, total_shares, total_likes, total_love, total_wow, total_haha, total_sad, total_angry, "
        "active_authors, active_commenters from marts_personal.daily_engagement_mart where date_day = '2025-12-31'"
    ) == [(1, 1, 2, 1, 2, 3, 4, 5, 6, 1, 1)]
