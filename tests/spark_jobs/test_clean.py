"""Documents to tables: whole rows, with what becomes of every record."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import SparkContext

from luigi_tasks.paths import folder_name
from spark_jobs.cleaning import job, records
from spark_jobs.extraction.documents import Row, document_row
from spark_jobs.extraction.landing_files import parse
from spark_jobs.messages import BatchToClean, CleanedBatch, CleanRequest, JobProgress
from spark_jobs.schemas import DOCUMENTS

Files = dict[tuple[str, str], list[object]]

NO_COUNTS = dict.fromkeys(("shares", "likes", "love", "wow", "haha", "sad", "angry"), 0)


def documents_of(files: Files) -> pa.RecordBatch:
    """The Extract checkpoint of {(batch, file): documents}; a text is a document's own text."""
    rows: list[Row] = []
    for (batch, file), documents in sorted(files.items()):
        for position, document in enumerate(documents):
            text = document if isinstance(document, str) else json.dumps(document)
            where = {"batch": batch, "file": file, "position": position}
            rows.append(where | document_row(parse(text.encode()), text))
    return pa.RecordBatch.from_pylist(rows, DOCUMENTS)


def documents(*of_one_file: object) -> pa.RecordBatch:
    return documents_of({("b", "f"): list(of_one_file)})


def rows(block: records.Records) -> list[dict[str, Any]]:
    """Every record with its columns, what was found wrong, and its outcome among those of its batch."""
    lost = block.is_rejected()
    outcomes = ["rejected" if each else "accepted" for each in lost]
    batches = np.array(block.table["batch"].to_pylist())
    for batch in set(batches.tolist()):
        of_batch = np.flatnonzero(~lost & (batches == batch))
        for number in of_batch[records.superseded(records.keys(block.entity, block.table.take(of_batch)))]:
            outcomes[number] = "superseded"
    found = block.issues.to_pylist()
    return [
        {
            **row,
            "rules": [rule for rule, mask in block.broken if mask[number]],
            "raw": block.raw[number].as_py(),
            "issues": [issue(each["field"], each["rule"], each["value"]) for each in found if each["record"] == number],
            "outcome": outcomes[number],
        }
        for number, row in enumerate(block.table.to_pylist())
    ]


def place(position: int = 0, **more: object) -> dict[str, object]:
    return {"batch": "b", "file": "f", "position": position, **more}


def kept(outcome: str = "accepted", *issues: dict[str, object]) -> dict[str, object]:
    return {"rules": [], "raw": None, "issues": list(issues), "outcome": outcome}


def lost(raw: str, *rules: str) -> dict[str, object]:
    return {"rules": list(rules), "raw": raw, "issues": [], "outcome": "rejected"}


def issue(field: str, rule: str, value: str | None) -> dict[str, object]:
    return {"field": field, "rule": rule, "value": value}


def user(user_id: str | None, **fields: object) -> dict[str, object]:
    none = dict.fromkeys(("username", "email", "name", "age", "gender", "date_created"))
    return {"user_id": user_id, **none, "age_imputed": False, **fields}


def post(post_id: str | None, user_id: str | None = "u1", **fields: object) -> dict[str, object]:
    none = dict.fromkeys(("post_text", "location", "post_timestamp"))
    return {"post_index": 0, "post_id": post_id, "user_id": user_id, **none, **NO_COUNTS, "tags": [], **fields}


def comment(
    post_id: str | None, user_id: str | None, text: str, time: str | None, **fields: object
) -> dict[str, object]:
    parts = ("-" if part is None else f"{len(part)}:{part}" for part in (post_id, user_id, time, text))
    return {
        "post_index": 0,
        "comment_index": 0,
        "comment_key": hashlib.md5("".join(parts).encode()).hexdigest(),
        "post_id": post_id,
        "comment_user_id": user_id,
        "comment_text": text,
        "comment_timestamp": time and datetime.fromisoformat(time),
        **fields,
    }


# Users


def test_users__are_in_normal_form():
    document = {
        "user_id": " u1 ",
        "username": " Courtney76 ",
        "email": " A@Example.NET ",
        "name": "\tZoë  Q. ",
        "age": 32.0,
        "gender": "Male",
        "date_created": "2015-07-16T14:57:48+02:00",
    }
    assert rows(records.users(documents(document))) == [
        place()
        | user(
            "u1",
            username="Courtney76",
            email="a@example.net",
            name="Zoë  Q.",
            age=32,
            gender="male",
            date_created=datetime(2015, 7, 16, 12, 57, 48),
        )
        | kept()
    ]


def test_users__have_null_and_an_issue_for_every_unusable_field():
    document = {"user_id": "u\0001", "email": "nobody", "age": -1, "name": "a\0b", "date_created": "yesterday"}
    assert rows(records.users(documents(document))) == [
        place()
        | user("u1", name="ab")
        | kept(
            "accepted",
            issue("user_id", "nul_character", "u\u24001"),
            issue("email", "invalid_email", "nobody"),
            issue("name", "nul_character", "a\u2400b"),
            issue("age", "invalid_age", "-1"),
            issue("date_created", "unreadable_time", "yesterday"),
        )
    ]


def test_users__of_a_batch_are_each_the_last_by_file_and_position():
    files: Files = {
        ("b", "f2"): [{"user_id": "u1", "name": "third"}, {"user_id": " u1", "name": "last"}],
        ("b", "f10"): [{"user_id": "u1", "name": "first"}, {"user_id": "u2"}, {"user_id": "u1", "name": "second"}],
        ("c", "f0"): [{"user_id": "u1", "name": "of another batch"}],
    }
    found = rows(records.users(documents_of(files)))
    assert [(row["user_id"], row["name"], row["outcome"]) for row in found] == [
        ("u1", "first", "superseded"),
        ("u2", None, "accepted"),
        ("u1", "second", "superseded"),
        ("u1", "third", "superseded"),
        ("u1", "last", "accepted"),
        ("u1", "of another batch", "accepted"),
    ]


def test_users__without_key_are_all_rejected_with_their_text():
    texts = ['{"user_id": " ", "age": -1, "posts": []}', '{"user_id": null, "posts": null}', "null", "[17]"]
    found = rows(records.users(documents(*texts)))
    broken = issue("age", "invalid_age", "-1")
    assert found == [
        place(0) | user(None) | lost(texts[0], "missing_user_id") | {"issues": [broken]},
        place(1) | user(None) | lost(texts[1], "missing_user_id"),
        place(2) | user(None) | lost(texts[2], "not_an_object"),
        place(3) | user(None) | lost(texts[3], "not_an_object"),
    ]


def test_users__keep_a_missing_age_missing():
    of_users = records.users(documents({"user_id": "u1"}, {"user_id": "u2", "age": 9}))
    assert rows(of_users) == [place(0) | user("u1") | kept(), place(1) | user("u2", age=9) | kept()]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [([], None), ([7], 7), ([10, 21], 16), ([1, 2], 2), ([9, 9, 30], 9), ([0, 0, 1, 120], 1), ([120], 120)],
)
def test_median__is_that_of_all_ages_halves_rounded_up(ages, expected):
    assert records.median(np.bincount(np.array(ages, int), minlength=121)) == expected


# Posts


def test_posts__are_in_normal_form():
    whole = {
        "post_id": " p1\n",
        "post_text": " Hi\nthere ",
        "location": " New \t York ",
        "timestamp": "2022-10-08T01:41:04-0530",
        "shares": "2",
        "tags": [" #Art", "tech", "ART", ""],
        "reactions": {"like": 1, "love": 2.0, "wow": None, "haha": 4, "sad": 5, "angry": 6},
    }
    document = {"user_id": "u1 ", "posts": [whole, {"post_id": "p2", "post_text": " ", "location": " "}]}
    assert rows(records.posts(documents(document))) == [
        place()
        | post(
            "p1",
            post_text="Hi\nthere",
            location="New York",
            post_timestamp=datetime(2022, 10, 8, 7, 11, 4),
            tags=["art", "tech"],
            **{"shares": 2, "likes": 1, "love": 2, "wow": 0, "haha": 4, "sad": 5, "angry": 6},
        )
        | kept(),
        place() | post("p2", post_index=1, post_text="") | kept(),
    ]


def test_posts__have_zero_empty_or_null_and_an_issue_for_every_unusable_field():
    broken = {
        "post_id": "p1",
        "timestamp": "yesterday",
        "shares": -2,
        "tags": ["a\0b"],
        "reactions": {"like": 1.5, "sad": "many", "care": 3},
    }
    reshaped = {"post_id": "p2", "shares": [1], "tags": "art", "reactions": 17}
    assert rows(records.posts(documents({"user_id": "u1", "posts": [broken, reshaped]}))) == [
        place()
        | post("p1", tags=["ab"])
        | kept(
            "accepted",
            issue("timestamp", "unreadable_time", "yesterday"),
            issue("tags", "nul_character", "a\u2400b"),
            issue("shares", "invalid_count", "-2"),
            issue("reactions.like", "invalid_count", "1.5"),
            issue("reactions.sad", "invalid_count", "many"),
        ),
        place()
        | post("p2", post_index=1)
        | kept(
            "accepted",
            issue("shares", "invalid_count", '["1"]'),
            issue("tags", "invalid_tags", "art"),
            issue("reactions", "invalid_reactions", "17"),
        ),
    ]


def test_posts__of_a_batch_are_each_the_last_by_file_position_and_place_in_the_document():
    def by(user_id: str, *shares: int) -> dict[str, object]:
        return {"user_id": user_id, "posts": [{"post_id": "p1", "shares": each} for each in shares]}

    files: Files = {
        ("b", "f2"): [by("u1", 4), by("u2", 5, 6)],
        ("b", "f10"): [by("u3", 1, 2), by("u1", 3)],
        ("c", "f0"): [by("u1", 7)],
    }
    found = rows(records.posts(documents_of(files)))
    assert [(row["user_id"], row["shares"], row["outcome"]) for row in found] == [
        ("u3", 1, "superseded"),
        ("u3", 2, "superseded"),
        ("u1", 3, "superseded"),
        ("u1", 4, "superseded"),
        ("u2", 5, "superseded"),
        ("u2", 6, "accepted"),
        ("u1", 7, "accepted"),
    ]


def test_posts__that_cannot_be_used_are_rejected_with_their_text_and_all_rules_they_broke():
    without_user = '{"posts": [{"post_id": "p1"}, {"shares" : 3}, 17]}'
    with_user = '{"user_id": "u1", "posts": [{"post_id": ""}, null, {"post_id": "p1"}]}'
    no_list = '{"user_id": "u2", "posts": "none"}'
    found = rows(records.posts(documents(without_user, with_user, no_list)))
    assert found == [
        place(0) | post("p1", None) | lost('{"post_id": "p1"}', "parent_rejected"),
        place(0)
        | post(None, None, post_index=1, shares=3)
        | lost('{"shares" : 3}', "parent_rejected", "missing_post_id"),
        place(0) | post(None, None, post_index=2) | lost("17", "parent_rejected", "not_an_object"),
        place(1) | post(None) | lost('{"post_id": ""}', "missing_post_id"),
        place(1) | post(None, post_index=1) | lost("null", "not_an_object"),
        place(1) | post("p1", post_index=2) | kept(),
        place(2) | post(None, "u2") | lost('"none"', "not_a_list"),
    ]


# Comments


def commented(*comments: object, user_id: str = "u1", post_id: str = "p1") -> dict[str, object]:
    return {"user_id": user_id, "posts": [{"post_id": post_id, "comments": list(comments)}]}


def test_comments__are_in_normal_form():
    document = commented({"user_id": " u2 ", "comment": " Nice \n", "timestamp": "2014-02-10T03:52:11Z"}, post_id=" p1")
    assert rows(records.comments(documents(document))) == [
        place() | comment("p1", "u2", "Nice", "2014-02-10 03:52:11") | kept()
    ]


def test_comments__without_user_text_or_time_are_kept():
    document = commented({}, {"user_id": " ", "comment": "x"}, {"user_id": "u2", "comment": None}, {"comment": "\0"})
    found = rows(records.comments(documents(document)))
    nul = issue("comment", "nul_character", "\u2400")
    assert found == [
        place() | comment("p1", None, "", None) | kept("superseded"),
        place() | comment("p1", None, "x", None, comment_index=1) | kept(),
        place() | comment("p1", "u2", "", None, comment_index=2) | kept(),
        place() | comment("p1", None, "", None, comment_index=3) | kept("accepted", nul),
    ]


def test_comments__with_an_unreadable_time_are_kept_with_an_issue():
    document = commented({"user_id": "u2", "comment": "x", "timestamp": "10.2.2014"})
    assert rows(records.comments(documents(document))) == [
        place() | comment("p1", "u2", "x", None) | kept("accepted", issue("timestamp", "unreadable_time", "10.2.2014"))
    ]


def test_comments__that_are_equal_count_once():
    first = {"user_id": "u2", "comment": "x", "timestamp": "2014-02-10 03:52:11"}
    equal = {"user_id": "u2 ", "comment": " x", "timestamp": "2014-02-10T05:52:11+02:00"}
    others = [first | {"user_id": "u3"}, first | {"comment": "X"}, first | {"timestamp": "2014-02-10 03:52:12"}]
    files: Files = {
        ("b", "f"): [commented(first, equal, *others), commented(first, post_id="p2"), commented(first, user_id="u9")],
        ("c", "f"): [commented(first)],
    }
    found = rows(records.comments(documents_of(files)))
    assert [(row["batch"], row["position"], row["comment_index"], row["outcome"]) for row in found] == [
        ("b", 0, 0, "superseded"),
        ("b", 0, 1, "superseded"),
        ("b", 0, 2, "accepted"),
        ("b", 0, 3, "accepted"),
        ("b", 0, 4, "accepted"),
        ("b", 1, 0, "accepted"),
        ("b", 2, 0, "accepted"),
        ("c", 0, 0, "accepted"),
    ]


def test_comments__that_cannot_be_used_are_rejected_with_their_text_and_all_rules_they_broke():
    without_user = '{"posts": [{"post_id": "p1", "comments": [{"comment" : "x"}, 17]}]}'
    without_post = '{"user_id": "u1", "posts": [{"comments": [{"comment" : "x"}]}]}'
    others = '{"user_id": "u1", "posts": [{"post_id": "p1", "comments": ["x", {"comment": "y"}]}]}'
    no_list = '{"user_id": "u1", "posts": [{"post_id": "p1", "comments": {"comment": "z"}}, 17]}'
    found = rows(records.comments(documents(without_user, without_post, others, no_list)))
    assert found == [
        place(0) | comment("p1", None, "x", None) | lost('{"comment" : "x"}', "parent_rejected"),
        place(0) | comment("p1", None, "", None, comment_index=1) | lost("17", "parent_rejected", "not_an_object"),
        place(1) | comment(None, None, "x", None) | lost('{"comment" : "x"}', "parent_rejected"),
        place(2) | comment("p1", None, "", None) | lost('"x"', "not_an_object"),
        place(2) | comment("p1", None, "y", None, comment_index=1) | kept(),
        place(3) | comment("p1", None, "", None) | lost('{"comment": "z"}', "not_a_list"),
    ]


# Rejected and issues


def test_rejected__has_the_place_the_rules_and_the_text_without_nul():
    posts = records.posts(documents('{"user_id": "u1", "posts": [{"post_id": "p1"}, "1\\u00007"]}', "17"))
    assert records.rejected(replace(posts, raw=pa.array(["", '"1\0007"']))).to_pylist() == [
        place(post_index=1, comment_index=None, entity="post", rules=["not_an_object"], raw='"1\u24007"')
    ]


def test_issues__have_the_place_and_key_of_kept_records_only():
    documents_ = documents(
        {"user_id": "u1", "age": -1, "gender": "\0"},
        {"user_id": "u1", "age": 200},
        {"user_id": "", "age": 300, "posts": []},
        {"user_id": "u2", "age": 4},
    )
    no_index = {"post_index": None, "comment_index": None}
    assert records.issues(records.users(documents_)).to_pylist() == [
        place(0, **no_index, entity="user", record_id="u1") | issue("age", "invalid_age", "-1"),
        place(0, **no_index, entity="user", record_id="u1") | issue("gender", "nul_character", "\u2400"),
        place(1, **no_index, entity="user", record_id="u1") | issue("age", "invalid_age", "200"),
    ]


# The whole job


def run_job(
    spark: SparkContext,
    folder: Path,
    files: Files,
    *batches: str,
    documents_a_part: int = 1000,
    told: list[JobProgress] | None = None,
    impute_age: bool = False,
) -> Sequence[CleanedBatch]:
    """Run the job on checkpoints below `folder`, each batch's in a folder of its name; what it tells goes to `told`."""
    built = []
    for batch in batches:
        path = folder / folder_name(batch) / "documents"
        path.mkdir(parents=True)
        of_batch = documents_of({place: some for place, some in files.items() if place[0] == batch})
        for start in range(0, len(of_batch), documents_a_part):
            pq.write_table(pa.table(of_batch.slice(start, documents_a_part)), path / f"{start:06}.parquet")
        built.append(BatchToClean(batch, [str(path)]))
    request = CleanRequest(built, str(folder / "staging"), impute_age)
    return job.run(spark, request, ([] if told is None else told).append).batches


def written(folder: Path, batch_no: int, table: str) -> list[dict[str, Any]]:
    """The rows of a table as the job left them, in the order of its parts."""
    paths = sorted((folder / "staging" / f"batch_no={batch_no}" / table).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def rows_of(batch: CleanedBatch) -> dict[str, dict[str, int]]:
    """By entity and outcome the rows."""
    return {
        entity: {outcome: found.rows for outcome, found in outcomes.items()}
        for entity, outcomes in batch.counts.outcomes.items()
    }


def test_run__counts_what_was_read_and_what_became_of_it_for_each_batch(spark, tmp_path):
    files: Files = {
        ("2026-01-01", "f"): [
            {"user_id": "u1", "age": -1, "mood": "x", "posts": [
                {"post_id": "p1", "shares": 2, "reactions": {"like": 3}, "comments": [{}, {}, 17]},
                {"post_id": "p1", "shares": 5, "reactions": {"like": -1, "care": 1}},
                {"shares": 7, "reactions": {"angry": 1}, "comments": [{"comment": "x"}]},
            ]},
            {"user_id": "u1"},
            {"posts": [{"post_id": "p2", "shares": 11, "comments": [{}]}]},
        ],
        ("2026-01-02", "f"): [{"user_id": "u1"}],
    }  # fmt: skip
    found = run_job(spark, tmp_path, files, "2026-01-01", "empty", "2026-01-02")

    def sums(shares: int, likes: int, angry: int) -> dict[str, int]:
        return {**NO_COUNTS, "shares": shares, "likes": likes, "angry": angry}

    assert [found_of.counts.read for found_of in found] == [
        {**NO_COUNTS, "documents": 3, "users": 2, "posts": 4, "comments": 5, "shares": 25, "likes": 3, "angry": 1},
        {},
        {**NO_COUNTS, "documents": 1, "users": 1, "posts": 0, "comments": 0},
    ]
    assert [rows_of(found_of) for found_of in found] == [
        {
            "user": {"accepted": 1, "superseded": 1, "rejected": 1},
            "post": {"accepted": 1, "superseded": 1, "rejected": 2},
            "comment": {"accepted": 1, "superseded": 1, "rejected": 3},
        },
        {"user": {}, "post": {}, "comment": {}},
        {"user": {"accepted": 1}, "post": {}, "comment": {}},
    ]
    assert {outcome: one.sums for outcome, one in found[0].counts.outcomes["post"].items()} == {
        "accepted": sums(5, 0, 0),
        "superseded": sums(2, 3, 0),
        "rejected": sums(18, 0, 1),
    }
    assert [{name: facts.rows for name, facts in found_of.tables.items()} for found_of in found] == [
        {"users": 1, "posts": 1, "comments": 1, "rejected": 6, "issues": 2},
        {"users": 0, "posts": 0, "comments": 0, "rejected": 0, "issues": 0},
        {"users": 1, "posts": 0, "comments": 0, "rejected": 0, "issues": 0},
    ]
    assert [found_of.counts.drift for found_of in found] == [["mood", "posts.reactions.care"], [], []]


def test_run__tells_how_many_documents_and_files_are_done(spark, tmp_path):
    users: Files = {("one", "f"): [{"user_id": f"u{number}"} for number in range(5)]}
    twice: Files = {("two", "f"): [{"user_id": "u1"}, {"user_id": "u1"}, {"user_id": "u2"}]}
    told: list[JobProgress] = []
    run_job(spark, tmp_path, users | twice, "one", "two", documents_a_part=2, told=told)
    assert JobProgress(5, 5, "8 documents, 5 of 5 files", url=None) in told
    assert told[-1] == JobProgress(1, 1, "superseded records taken out of 1 of 1 files", url=None)


def test_run__takes_any_name_for_a_batch(spark, tmp_path):
    names = ["a*", "ab", "what?", "{a,b}", "week [1]", "a=b", "100%", "a b", "x,y", "a:b", "#1", "a\\b", "ü"]
    files: Files = {(name, "f"): [{"user_id": name}] for name in names}
    found = run_job(spark, tmp_path, files, *names)
    assert [batch.counts.read["users"] for batch in found] == [1] * len(names)


@pytest.mark.parametrize("documents_a_part", [1, 2, 1000])
def test_run__divides_records_however_they_are_spread_over_parts(spark, tmp_path, documents_a_part):
    def by(user_id: str, *shares: int) -> dict[str, object]:
        comments = [{"comment": "x"}, {"comment": "x"}]
        return {
            "user_id": user_id,
            "posts": [{"post_id": "p1", "shares": each, "comments": comments} for each in shares],
        }

    files: Files = {("b", "f"): [by("u1", 1, 2), by("u2", 3), by("u1", 4), by("u3")], ("c", "f"): [by("u1", 5)]}
    run_job(spark, tmp_path, files, "b", "c", documents_a_part=documents_a_part)

    def found(table: str, *names: str) -> list[tuple[object, ...]]:
        return [tuple(row[name] for name in names) for row in written(tmp_path, 0, table)]

    assert found("users", "user_id", "position") == [("u2", 1), ("u1", 2), ("u3", 3)]
    assert found("superseded/users", "user_id", "position") == [("u1", 0)]
    assert found("posts", "user_id", "shares") == [("u1", 4)]
    assert found("superseded/posts", "user_id", "shares") == [("u1", 1), ("u1", 2), ("u2", 3)]
    assert found("comments", "position", "post_index", "comment_index") == [(2, 0, 1)]
    assert len(found("superseded/comments", "comment_key")) == 7
    assert [row["shares"] for row in written(tmp_path, 1, "posts")] == [5]


def test_run__fills_in_the_median_age_of_the_accepted_users_of_a_batch_where_configured(spark, tmp_path):
    files: Files = {
        ("b", "f"): [
            {"user_id": "u1", "age": 90},
            {"user_id": "u1", "age": 10},
            {"user_id": "u2", "age": 21},
            {"user_id": "u3"},
            {"user_id": "u4", "age": "abc"},
            {"user_id": "u5"},
            {"user_id": "u5", "age": 11},
            {"user_id": None, "age": 99, "posts": []},
            {"user_id": "u6", "age": 20},
        ],
        ("c", "f"): [{"user_id": "u1"}],
    }
    run_job(spark, tmp_path, files, "b", "c", documents_a_part=2, impute_age=True)

    def ages(table: str, batch_no: int = 0) -> list[tuple[object, ...]]:
        return [(row["user_id"], row["age"], row["age_imputed"]) for row in written(tmp_path, batch_no, table)]

    assert ages("users") == [
        ("u1", 10, False),
        ("u2", 21, False),
        ("u3", 16, True),  # 15.5, rounded up
        ("u4", 16, True),
        ("u5", 11, False),
        ("u6", 20, False),
    ]
    assert ages("superseded/users") == [("u1", 90, False), ("u5", None, False)]
    assert ages("users", 1) == [("u1", None, False)]


def test_run__gives_tables_a_fingerprint_that_differs_where_any_value_does(spark, tmp_path):
    def fingerprints(number: int, *documents: object) -> dict[str, str]:
        (found,) = run_job(spark, tmp_path / str(number), {("b", "f"): list(documents)}, "b")
        return {name: facts.fingerprint for name, facts in found.tables.items()}

    first = fingerprints(0, {"user_id": "u1", "age": 1}, {"user_id": "u2"})
    assert fingerprints(1, {"user_id": " u1", "age": "1"}, {"user_id": "u2"}) == first
    different = [
        fingerprints(2, {"user_id": "u1", "age": 2}, {"user_id": "u2"}),
        fingerprints(3, {"user_id": "u1", "name": "1"}, {"user_id": "u2"}),
        fingerprints(4, {"user_id": "u2"}, {"user_id": "u1", "age": 1}),
        fingerprints(5, {"user_id": "u1", "age": 1}),
    ]
    assert len({first["users"], *(each["users"] for each in different)}) == 5
    assert {each["issues"] for each in different} == {first["issues"]}
    assert fingerprints(6, {"user_id": "u1", "age": -1})["issues"] != first["issues"]


def test_superseded__is_every_record_whose_key_comes_again():
    keys = np.array([[1, 1], [1, 2], [1, 1], [2, 1], [2, 1], [1, 1], [3, 3]], "u8")
    assert records.superseded(keys).tolist() == [0, 2, 3]
    assert records.superseded(keys[:0]).tolist() == []
    assert records.superseded(keys[6:]).tolist() == []
