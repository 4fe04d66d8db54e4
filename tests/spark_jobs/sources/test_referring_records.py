"""Records that say something of one another: replies, edits, deletions, look-ups, other files, private records."""

from typing import Any

import golden_exports as exports
import pytest

from spark_jobs.sources.environment import Row
from spark_jobs.sources.source import Source
from spark_jobs.sources.tables import compile_source

TABLE = """
platform = "p"
[[detect]]
when = ["id"]
[thread]
key = "id"
parent = "to"
versions = "versions"
[deletions]
key = "id"
when = ["gone"]
[lookup.places]
key = "place"
value = "called"
when = ["called"]
[[rows]]
make = "skipped"
reason = "deleted"
when = ["gone"]
[[rows]]
make = "wrapper"
when = ["called"]
[[rows]]
make = "skipped"
reason = "not_public"
private = true
when = ["secret"]
[[rows]]
make = "comment"
when = ["to"]
[rows.fields]
comment_id = "versions[-1] // id"
post_id = "to | root"
parent_comment_id = "to | reply"
[[rows]]
make = "post"
[rows.fields]
post_id = "versions[-1] // id"
location = "at | look_up places"
post_text = "text"
"""
SOURCE = compile_source("mine", TABLE)


def map_all(records: list[dict[str, Any]], source: Source = SOURCE, **context: Any) -> list[Row]:
    known = source.index(records, **context)
    rows = [row for record in records for row in source.map(record, "{}", known)]
    return [{name: value for name, value in row.items() if name not in ("platform", "record_index")} for row in rows]


def comment(key: str, post: str, parent: str | None = None) -> Row:
    row = {"entity": "comment", "comment_id": key, "post_id": post}
    return row | {"parent_comment_id": parent} if parent else row


def test_reply__is_a_comment_on_the_post_that_began_the_thread():
    records = [{"id": "4", "to": "3"}, {"id": "3", "to": "2"}, {"id": "2", "to": "1"}, {"id": "1"}]
    assert map_all(records) == [
        comment("4", "1", "3"),
        comment("3", "1", "2"),
        comment("2", "1"),
        {"entity": "post", "post_id": "1"},
    ]


def test_reply__to_what_is_not_in_the_file_is_a_comment_on_it():
    assert map_all([{"id": "8", "to": "7"}, {"id": "9", "to": "8"}]) == [comment("8", "7"), comment("9", "7", "8")]


def test_reply__in_a_circle_ends():
    rows = map_all([{"id": "1", "to": "2"}, {"id": "2", "to": "1"}])
    assert [row["post_id"] for row in rows] == ["2", "2"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_reply__finds_the_post_of_a_thread_of_any_length(newest_first):
    records = [{"id": str(number), "to": str(number - 1)} for number in range(1, 20_000)]
    rows = map_all(records[::-1] if newest_first else records)
    assert {row["post_id"] for row in rows} == {"0"}


@pytest.mark.parametrize("newest_first", [False, True])
def test_edit__only_the_newest_version_counts_in_any_order(newest_first):
    versions = ["1", "2"]
    records = [{"id": "1", "text": "old", "versions": versions}, {"id": "2", "text": "new", "versions": versions}]
    rows = map_all([*(reversed(records) if newest_first else records), {"id": "3", "to": "1"}])
    old = {"entity": "post", "post_id": "2", "post_text": "old"}
    new = {"entity": "post", "post_id": "2", "post_text": "new"}
    edited = {"entity": "skipped", "reason": "edited", "skipped_entity": "post"}
    assert rows == [*([new, edited] if newest_first else [old, new]), comment("3", "2")]


def test_deletion__takes_the_record_before_and_after_it():
    rows = map_all([{"id": "1", "text": "x"}, {"id": "1", "gone": "yes"}, {"id": "1", "text": "y"}, {"id": "2"}])
    assert [row.get("reason", row.get("post_id")) for row in rows] == ["deleted", "deleted", "deleted", "2"]


def test_lookup__finds_what_stands_anywhere_in_the_file():
    rows = map_all([{"id": "1", "at": "9"}, {"id": "2", "at": "8"}, {"place": "9", "called": "Utrecht"}])
    assert rows == [{"entity": "post", "post_id": "1", "location": "Utrecht"}, {"entity": "post", "post_id": "2"}]


def test_private_records__are_withheld_unless_they_are_wanted():
    record = {"id": "1", "secret": "yes"}
    assert map_all([record]) == [{"entity": "skipped", "reason": "not_public", "skipped_entity": "post"}]
    assert map_all([record], keeps_private=True) == [{"entity": "post", "post_id": "1"}]


def test_mastodon_archive__has_its_private_records_where_they_are_wanted():
    rows = exports.map_golden("mastodon_archive", ["outbox.json", "actor.json"], keeps_private=True)
    assert [row["reason"] for row in rows if row["entity"] == "skipped"] == ["repost"]
    assert {row.get("post_text") for row in rows} >= {"for followers only", "a private message"}


def test_x_archive__without_account_has_posts_of_nobody():
    rows = exports.map_golden("x_archive", ["data/tweets.js"])
    assert {row.get("user_id") for row in rows if row["entity"] in ("post", "comment")} == {None}


def test_x_archive__of_before_2020_has_bare_tweets():
    source = next(source for source in exports.SOURCES if source.name == "x_archive")
    tweet = {"id_str": "1", "full_text": "x", "favorite_count": "2"}
    context = source.start(enclosing={"variable": "window.YTD.tweet.part0"})
    [bare], [wrapped] = source.map(tweet, "{}", context), source.map({"tweet": tweet}, "{}", context)
    assert bare == wrapped
    assert bare["post_id"] == "1"


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("window.YTD.like.part0", "no_post"),
        ("window.__THAR_CONFIG", "no_post"),
        ("window.YTD.direct_messages.part0", "not_public"),
    ],
)
@pytest.mark.parametrize("record", [{"like": {"tweetId": "1"}}, {"tweet": {"id_str": "1", "full_text": "x"}}])
def test_x_archive__skips_what_is_no_post(variable, reason, record):
    source = next(source for source in exports.SOURCES if source.name == "x_archive")
    rows = source.map(record, "{}", source.start(enclosing={"variable": variable}))
    assert [(row["entity"], row["reason"]) for row in rows] == [("skipped", reason)]
