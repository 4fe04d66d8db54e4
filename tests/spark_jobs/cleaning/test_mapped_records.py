"""Mapped records become the rows of users, posts and comments: what differs from the native export."""

from typing import Any

import pyarrow as pa
import pytest

from spark_jobs.cleaning import mapped_records as mapped
from spark_jobs.cleaning.records import Records, build_issues, build_rejected
from spark_jobs.cleaning.superseded import digest_keys
from spark_jobs.extraction.mapped_rows import build_block, place_rows, settle_rows
from spark_jobs.schemas import MEASURES, SOURCE_MEASURES

Row = dict[str, Any]


def block(*of_records: list[Row], platform: str | None = "reddit") -> pa.RecordBatch:
    """The checkpoint's rows of some records of a source, each of which was mapped to a list of rows."""
    rows: list[Row] = []
    for position, found in enumerate(of_records):
        whole = [{"platform": platform, "record_index": 0, **row} for row in found]
        rows += place_rows(whole, "b", "f", position)
    return build_block(rows)


def user(user_id: str | None, **fields: object) -> Row:
    return {"entity": "user", "user_id": user_id, **fields}


def post(post_id: str | None, **fields: object) -> Row:
    return {"entity": "post", "post_id": post_id, **fields}


def comment(comment_id: str | None, post_id: str | None = "p1", **fields: object) -> Row:
    return {"entity": "comment", "comment_id": comment_id, "post_id": post_id, **fields}


def skipped(entity: str, reason: str) -> Row:
    return {"entity": "skipped", "skipped_entity": entity, "reason": reason}


def keys(records: Records) -> list[bytes]:
    return [key.tobytes() for key in digest_keys(records.entity, records.table)]


def test_build_posts__a_counter_that_is_not_there_is_null():
    (found,) = mapped.build_posts(block([post("p1", like="3", score="-4", views="x", angry="-1")])).table.to_pylist()
    nulls = dict.fromkeys((*MEASURES, *SOURCE_MEASURES))
    assert {name: found[name] for name in nulls} == nulls | {"likes": 3, "score": -4, "views": 0, "angry": 0}


def test_build_posts__a_counter_that_the_canonical_format_lacks_is_0_as_in_the_native_export():
    (found,) = mapped.build_posts(block([post("p1", like="3")], platform=None)).table.to_pylist()
    counts = dict.fromkeys(MEASURES, 0) | dict.fromkeys(SOURCE_MEASURES) | {"likes": 3}
    assert {name: found[name] for name in counts} == counts


def test_build_posts__keeps_one_whose_author_is_unknown():
    records = mapped.build_posts(block([post("p1", timestamp="2024-01-01 10:00:00")]))
    assert records.table["user_id"].to_pylist() == [None]
    assert not records.is_rejected().any()


def test_build_posts__rejects_one_without_an_id_and_keeps_its_text():
    (found,) = build_rejected(mapped.build_posts(block([post(" ", raw='{"id": " "}')]))).to_pylist()
    assert (found["entity"], found["rules"], found["raw"]) == ("post", ["missing_post_id"], '{"id": " "}')


def test_build_issues__lists_what_the_source_found_and_what_the_rules_did():
    found = {"field": "created", "rule": "unreadable_time", "value": "soon"}
    issues = build_issues(mapped.build_posts(block([post("p1", like="-1", issues=[found])]))).to_pylist()
    assert [(each["record_id"], each["field"], each["rule"], each["value"]) for each in issues] == [
        ("p1", "reactions.like", "invalid_count", "-1"),
        ("p1", "created", "unreadable_time", "soon"),
    ]


def test_keys__of_two_platforms_differ_and_those_without_one_are_those_of_the_native_export():
    of = [mapped.build_users(block([user("u1")], platform=each)) for each in ("reddit", "x", None)]
    assert len({key for records in of for key in keys(records)}) == 3
    native = pa.table({"user_id": ["u1"], "platform": pa.nulls(1, pa.string())})
    assert keys(of[2]) == [key.tobytes() for key in digest_keys("user", native)]


@pytest.mark.parametrize("other", ["reddit u1", "reddit\x1fu1", "reddit:u1", "6:reddit2:u1"])
def test_keys__no_native_id_looks_like_one_of_a_platform(other):
    assert keys(mapped.build_users(block([user("u1")]))) != keys(
        mapped.build_users(block([user(other)], platform=None))
    )


def test_build_comments__their_id_tells_one_from_another_and_without_it_all_else():
    said = {"user_id": "u1", "comment": "x", "timestamp": "2024-01-01 10:00:00"}
    by_id = mapped.build_comments(block([comment("c1", **said)], [comment("c2", **said)]))
    assert len(set(keys(by_id))) == 2
    without = mapped.build_comments(block([comment(None, **said)], [comment(None, **said)], [comment(None, "p2")]))
    assert len(set(keys(without))) == 2
    both = mapped.build_comments(block([comment("c1", **said)], [comment(None, **said)]))
    assert keys(both) == [keys(by_id)[0], keys(without)[0]]


def test_build_comments__keeps_one_whose_post_is_not_there_and_rejects_one_that_names_none():
    records = mapped.build_comments(block([comment("c1", "gone")], [comment("c2", None)]))
    assert records.is_rejected().tolist() == [False, True]


def test_counts__every_record_of_the_source_is_accepted_skipped_or_rejected():
    found = block(
        [user("u1"), post("p1"), comment("c1"), skipped("comment", "more")],
        [skipped("post", "repost")],
        [skipped("document", "like")],
        [{"entity": "rejected", "reason": "unknown_kind", "raw": '{"kind": "t9"}'}],
        [post("p2")],
    )
    assert mapped.count_records(found) == {"documents": 5, "users": 1, "posts": 3, "comments": 2}
    assert mapped.count_skipped(found) == {"comment.more": 1, "post.repost": 1, "document.like": 1}
    (unreadable,) = mapped.build_unreadable(found).to_pylist()
    assert (unreadable["entity"], unreadable["rules"], unreadable["raw"]) == (
        "document",
        ["unknown_kind"],
        '{"kind": "t9"}',
    )
    assert mapped.count_accepted_documents(found) == 3


def test_counts__a_rejected_part_counts_as_a_record_and_an_author_alone_goes_with_it():
    unknown = {"entity": "rejected", "reason": "unknown_kind", "raw": "{}"}
    settled = [settle_rows(rows) for rows in ([user("u1"), unknown], [unknown, post("p1"), unknown], [post("p2")])]
    assert [[row["entity"] for row in rows] for rows in settled] == [
        ["rejected"],
        ["post", "rejected", "rejected"],
        ["post"],
    ]
    found = block(*settled)
    assert mapped.count_records(found)["documents"] == 5
    assert mapped.count_accepted_documents(found) == 2
    assert len(mapped.build_unreadable(found)) == 3
