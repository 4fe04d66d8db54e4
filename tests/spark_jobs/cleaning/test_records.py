"""Documents become records: whole rows, and what is wrong with each."""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from extracted import Files, extract_documents

from spark_jobs.cleaning import records
from spark_jobs.cleaning.superseded import digest_keys, find_repeated
from spark_jobs.schemas import TABLES

NO_COUNTS = dict.fromkeys(("shares", "likes", "love", "wow", "haha", "sad", "angry"), 0)


def documents(*of_one_file: object) -> pa.RecordBatch:
    return extract_documents({("b", "f"): list(of_one_file)})


def rows(block: records.Records) -> list[dict[str, Any]]:
    """Every record with its columns, what was found wrong, and its outcome among those of its batch."""
    lost = block.is_rejected()
    outcomes = ["rejected" if each else "accepted" for each in lost]
    batches = np.array(block.table["batch"].to_pylist())
    for batch in set(batches.tolist()):
        of_batch = np.flatnonzero(~lost & (batches == batch))
        for number in of_batch[find_repeated(digest_keys(block.entity, block.table.take(of_batch)))]:
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
    none = dict.fromkeys(TABLES["users"].keys() - place())
    return {**none, "user_id": user_id, "age_imputed": False, **fields}


def post(post_id: str | None, user_id: str | None = "u1", **fields: object) -> dict[str, object]:
    none = dict.fromkeys(TABLES["posts"].keys() - place())
    return {**none, "post_index": 0, "post_id": post_id, "user_id": user_id, **NO_COUNTS, "tags": [], **fields}


def comment(
    post_id: str | None, user_id: str | None, text: str, time: str | None, **fields: object
) -> dict[str, object]:
    parts = ("-" if part is None else f"{len(part)}:{part}" for part in (post_id, user_id, time, text))
    return {
        **dict.fromkeys(TABLES["comments"].keys() - place()),
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


def test_build_users__are_in_normal_form():
    document = {
        "user_id": " u1 ",
        "username": " Courtney76 ",
        "email": " A@Example.NET ",
        "name": "\tZoë  Q. ",
        "age": 32.0,
        "gender": "Male",
        "date_created": "2015-07-16T14:57:48+02:00",
    }
    assert rows(records.build_users(documents(document))) == [
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


def test_build_users__have_null_and_an_issue_for_every_unusable_field():
    document = {"user_id": "u\0001", "email": "nobody", "age": -1, "name": "a\0b", "date_created": "yesterday"}
    assert rows(records.build_users(documents(document))) == [
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


def test_build_users__of_a_batch_are_each_the_last_by_file_and_position():
    files: Files = {
        ("b", "f2"): [{"user_id": "u1", "name": "third"}, {"user_id": " u1", "name": "last"}],
        ("b", "f10"): [{"user_id": "u1", "name": "first"}, {"user_id": "u2"}, {"user_id": "u1", "name": "second"}],
        ("c", "f0"): [{"user_id": "u1", "name": "of another batch"}],
    }
    found = rows(records.build_users(extract_documents(files)))
    assert [(row["user_id"], row["name"], row["outcome"]) for row in found] == [
        ("u1", "first", "superseded"),
        ("u2", None, "accepted"),
        ("u1", "second", "superseded"),
        ("u1", "third", "superseded"),
        ("u1", "last", "accepted"),
        ("u1", "of another batch", "accepted"),
    ]


def test_build_users__without_key_are_all_rejected_with_their_text():
    texts = ['{"user_id": " ", "age": -1, "posts": []}', '{"user_id": null, "posts": null}', "null", "[17]"]
    found = rows(records.build_users(documents(*texts)))
    broken = issue("age", "invalid_age", "-1")
    assert found == [
        place(0) | user(None) | lost(texts[0], "missing_user_id") | {"issues": [broken]},
        place(1) | user(None) | lost(texts[1], "missing_user_id"),
        place(2) | user(None) | lost(texts[2], "not_an_object"),
        place(3) | user(None) | lost(texts[3], "not_an_object"),
    ]


def test_build_users__keep_a_missing_age_missing():
    of_users = records.build_users(documents({"user_id": "u1"}, {"user_id": "u2", "age": 9}))
    assert rows(of_users) == [place(0) | user("u1") | kept(), place(1) | user("u2", age=9) | kept()]


# Posts


def test_build_posts__are_in_normal_form():
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
    assert rows(records.build_posts(documents(document))) == [
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


def test_build_posts__have_zero_empty_or_null_and_an_issue_for_every_unusable_field():
    broken = {
        "post_id": "p1",
        "timestamp": "yesterday",
        "shares": -2,
        "tags": ["a\0b"],
        "reactions": {"like": 1.5, "sad": "many", "care": 3},
    }
    reshaped = {"post_id": "p2", "shares": [1], "tags": "art", "reactions": 17}
    assert rows(records.build_posts(documents({"user_id": "u1", "posts": [broken, reshaped]}))) == [
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


def test_build_posts__of_a_batch_are_each_the_last_by_file_position_and_place_in_the_document():
    def by(user_id: str, *shares: int) -> dict[str, object]:
        return {"user_id": user_id, "posts": [{"post_id": "p1", "shares": each} for each in shares]}

    files: Files = {
        ("b", "f2"): [by("u1", 4), by("u2", 5, 6)],
        ("b", "f10"): [by("u3", 1, 2), by("u1", 3)],
        ("c", "f0"): [by("u1", 7)],
    }
    found = rows(records.build_posts(extract_documents(files)))
    assert [(row["user_id"], row["shares"], row["outcome"]) for row in found] == [
        ("u3", 1, "superseded"),
        ("u3", 2, "superseded"),
        ("u1", 3, "superseded"),
        ("u1", 4, "superseded"),
        ("u2", 5, "superseded"),
        ("u2", 6, "accepted"),
        ("u1", 7, "accepted"),
    ]


def test_build_posts__that_cannot_be_used_are_rejected_with_their_text_and_all_rules_they_broke():
    without_user = '{"posts": [{"post_id": "p1"}, {"shares" : 3}, 17]}'
    with_user = '{"user_id": "u1", "posts": [{"post_id": ""}, null, {"post_id": "p1"}]}'
    no_list = '{"user_id": "u2", "posts": "none"}'
    found = rows(records.build_posts(documents(without_user, with_user, no_list)))
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


def test_build_comments__are_in_normal_form():
    document = commented({"user_id": " u2 ", "comment": " Nice \n", "timestamp": "2014-02-10T03:52:11Z"}, post_id=" p1")
    assert rows(records.build_comments(documents(document))) == [
        place() | comment("p1", "u2", "Nice", "2014-02-10 03:52:11") | kept()
    ]


def test_build_comments__without_user_text_or_time_are_kept():
    document = commented({}, {"user_id": " ", "comment": "x"}, {"user_id": "u2", "comment": None}, {"comment": "\0"})
    found = rows(records.build_comments(documents(document)))
    nul = issue("comment", "nul_character", "\u2400")
    assert found == [
        place() | comment("p1", None, "", None) | kept("superseded"),
        place() | comment("p1", None, "x", None, comment_index=1) | kept(),
        place() | comment("p1", "u2", "", None, comment_index=2) | kept(),
        place() | comment("p1", None, "", None, comment_index=3) | kept("accepted", nul),
    ]


def test_build_comments__with_an_unreadable_time_are_kept_with_an_issue():
    document = commented({"user_id": "u2", "comment": "x", "timestamp": "10.2.2014"})
    assert rows(records.build_comments(documents(document))) == [
        place() | comment("p1", "u2", "x", None) | kept("accepted", issue("timestamp", "unreadable_time", "10.2.2014"))
    ]


def test_build_comments__that_are_equal_count_once():
    first = {"user_id": "u2", "comment": "x", "timestamp": "2014-02-10 03:52:11"}
    equal = {"user_id": "u2 ", "comment": " x", "timestamp": "2014-02-10T05:52:11+02:00"}
    others = [first | {"user_id": "u3"}, first | {"comment": "X"}, first | {"timestamp": "2014-02-10 03:52:12"}]
    files: Files = {
        ("b", "f"): [commented(first, equal, *others), commented(first, post_id="p2"), commented(first, user_id="u9")],
        ("c", "f"): [commented(first)],
    }
    found = rows(records.build_comments(extract_documents(files)))
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


def test_build_comments__that_cannot_be_used_are_rejected_with_their_text_and_all_rules_they_broke():
    without_user = '{"posts": [{"post_id": "p1", "comments": [{"comment" : "x"}, 17]}]}'
    without_post = '{"user_id": "u1", "posts": [{"comments": [{"comment" : "x"}]}]}'
    others = '{"user_id": "u1", "posts": [{"post_id": "p1", "comments": ["x", {"comment": "y"}]}]}'
    no_list = '{"user_id": "u1", "posts": [{"post_id": "p1", "comments": {"comment": "z"}}, 17]}'
    found = rows(records.build_comments(documents(without_user, without_post, others, no_list)))
    assert found == [
        place(0) | comment("p1", None, "x", None) | lost('{"comment" : "x"}', "parent_rejected"),
        place(0) | comment("p1", None, "", None, comment_index=1) | lost("17", "parent_rejected", "not_an_object"),
        place(1) | comment(None, None, "x", None) | lost('{"comment" : "x"}', "parent_rejected"),
        place(2) | comment("p1", None, "", None) | lost('"x"', "not_an_object"),
        place(2) | comment("p1", None, "y", None, comment_index=1) | kept(),
        place(3) | comment("p1", None, "", None) | lost('{"comment": "z"}', "not_a_list"),
    ]


# Rejected and issues


def test_build_rejected__has_the_place_the_rules_and_the_text_without_nul():
    posts = records.build_posts(documents('{"user_id": "u1", "posts": [{"post_id": "p1"}, "1\\u00007"]}', "17"))
    assert records.build_rejected(replace(posts, raw=pa.array(["", '"1\0007"']))).to_pylist() == [
        place(post_index=1, comment_index=None, entity="post", rules=["not_an_object"], raw='"1\u24007"')
    ]


def test_build_issues__have_the_place_and_key_of_kept_records_only():
    documents_ = documents(
        {"user_id": "u1", "age": -1, "gender": "\0"},
        {"user_id": "u1", "age": 200},
        {"user_id": "", "age": 300, "posts": []},
        {"user_id": "u2", "age": 4},
    )
    no_index = {"post_index": None, "comment_index": None}
    assert records.build_issues(records.build_users(documents_)).to_pylist() == [
        place(0, **no_index, entity="user", record_id="u1") | issue("age", "invalid_age", "-1"),
        place(0, **no_index, entity="user", record_id="u1") | issue("gender", "nul_character", "\u2400"),
        place(1, **no_index, entity="user", record_id="u1") | issue("age", "invalid_age", "200"),
    ]


def test_build_issues__are_those_of_the_records_in_which_extract_found_them():
    """Whatever stands before a record, in other documents too, and whatever became of it."""
    many = '{"post_id": "p1", "comments": [{}, {}, 7]}, 7'
    comments = '"comments": [{}], "comments": [17, {"user_id": true}]'
    twice = f'{{"post_id": "p2", "shares": 1, "shares": 2, "reactions": 7, {comments}}}'
    lost = '{"shares": 1, "shares": 2, "comments": [{"comment": "x", "comment": "y"}]}'
    files: Files = {
        ("b", "f"): [
            f'{{"user_id": "u1", "posts": [{many}]}}',
            "17",
            f'{{"posts": [{twice}], "posts": [{many}]}}',
            f'{{"user_id": "u2", "posts": [{many}], "posts": [{lost}, {twice}], "age": 1, "age": 2}}',
        ]
    }
    found = extract_documents(files)
    issues = [row for build in records.BUILDERS.values() for row in records.build_issues(build(found)).to_pylist()]
    expected = [
        ("user", None, None, "u2", "posts", "repeated_key", None),
        ("user", None, None, "u2", "age", "repeated_key", "1"),
        ("post", 3, None, "p2", "shares", "repeated_key", "1"),
        ("post", 3, None, "p2", "comments", "repeated_key", None),
        ("post", 3, None, "p2", "reactions", "invalid_reactions", "7"),
        ("comment", 3, 2, "p2", "user_id", "invalid_user_id", "true"),
    ]
    columns = ("entity", "post_index", "comment_index", "record_id", "field", "rule", "value")
    assert [tuple(row[name] for name in columns) for row in issues] == expected
    assert {row["position"] for row in issues} == {3}
