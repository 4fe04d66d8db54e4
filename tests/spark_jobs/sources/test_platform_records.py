"""What real files of the platforms hold beyond the golden exports."""

import json
from typing import Any

import pytest

from spark_jobs.extraction.parsing import parse_json
from spark_jobs.sources.environment import Row
from spark_jobs.sources.heads import JSON_LINES, JSON_OBJECT, Head
from spark_jobs.sources.recognition import name_columns
from spark_jobs.sources.source import Source
from spark_jobs.sources.tables import load_sources

SOURCES = {source.name: source for source in load_sources()}


def parse(value: Any) -> Any:
    return parse_json(json.dumps(value).encode())


def map_records(
    name: str, records: list[Any], file: dict[str, Any] | None = None, keeps_private: bool = False
) -> list[Row]:
    """The rows of records, without what all have."""
    source = SOURCES[name]
    values = parse(records)
    context = source.index(values, {}, parse(file or {}), keeps_private)
    rows = [row for value in values for row in source.map(value, json.dumps(value), context)]
    return [{name: row[name] for name in row if name not in ("platform", "record_index")} for row in rows]


def list_takers(*values: Any, kind: str = JSON_OBJECT) -> list[str]:
    head = Head(kind, tuple(parse(list(values))))
    return [source.name for source in SOURCES.values() if takes(source, head)]


def takes(source: Source, head: Head) -> bool:
    return any(detection.compare(head).lacking == () for detection in source.detections)


GROUP = {"id": 7, "type": "public_supergroup", "name": "Garden"}


def message(number: int, **members: Any) -> dict[str, Any]:
    return {"id": number, "type": "message", "date_unixtime": "1717200000", "from_id": "user1", "text": "x", **members}


def test_telegram__withholds_what_is_said_in_private_and_who_said_it():
    records = [message(1, **{"from": "Ada"}), {"id": 2, "type": "service", "date_unixtime": "1717200000"}]
    for kind in ("private_supergroup", "private_channel", "personal_chat", "saved_messages", "new_kind", None):
        rows = map_records("telegram", records, {**GROUP, "type": kind})
        assert rows == [{"entity": "skipped", "reason": "not_public", "skipped_entity": "post"}] * 2
    rows = map_records("telegram", records, {**GROUP, "type": "private_group"}, keeps_private=True)
    assert [(row["entity"], row.get("reason")) for row in rows] == [
        ("user", None),
        ("post", None),
        ("skipped", "service"),
    ]


def test_telegram__finds_the_messages_of_all_chats_of_an_account():
    account = {
        "personal_information": {"user_id": 1},
        "chats": {
            "list": [
                {**GROUP, "messages": [message(1), message(2, reply_to_message_id=1)]},
                {"id": 8, "type": "personal_chat", "name": None, "messages": [message(1)]},
                {"id": 9, "type": "public_channel", "name": "News", "messages": []},
            ]
        },
    }
    assert list_takers(account) == ["telegram"]
    wanted = [
        ("post", "7/1", "Garden"),
        ("comment", "7/1", None),
        ("skipped", None, None),
    ]
    for records in ([account], account["chats"]["list"]):
        rows = map_records("telegram", records)
        assert [(row["entity"], row.get("post_id"), row.get("channel")) for row in rows] == wanted


def test_telegram__an_answer_in_another_chat_is_no_answer_in_this_one():
    [row] = map_records("telegram", [message(2, reply_to_message_id=1, reply_to_peer_id="channel5")], GROUP)
    assert (row["comment_id"], row["post_id"]) == ("7/2", "5/1")


def test_telegram__likes_of_an_answer_are_its_thumbs():
    reactions = [{"type": "emoji", "emoji": "👍🏽", "count": 2}, {"type": "emoji", "emoji": "❤️", "count": 5}]
    [row] = map_records("telegram", [message(2, reply_to_message_id=1, reactions=reactions)], GROUP)
    assert row["likes"] == "2"
    assert "love" not in row


@pytest.mark.parametrize(
    "reactions",
    [
        None,
        {},
        "many",
        [None],
        ["👍"],
        [{"emoji": "👍"}],
        [{"emoji": "👍", "count": "x"}],
        [{"emoji": [], "count": -3}],
    ],
)
def test_telegram__reactions_of_another_shape_count_nothing(reactions):
    [row] = map_records("telegram", [message(1, reactions=reactions)], GROUP)
    assert (row["like"], row["other_reactions"]) == ("0", "0")


@pytest.mark.parametrize("record", [None, 5, "x", [], {}, {"id": 1}, {"type": "poll_of_tomorrow", "id": 1}])
def test_telegram__a_record_of_an_unknown_kind_is_rejected(record):
    [row] = map_records("telegram", [record], GROUP)
    assert row["entity"] == "rejected"


@pytest.mark.parametrize("key", [None, {}, [], ""])
def test_telegram__a_message_without_an_id_keeps_its_text(key):
    [row] = map_records("telegram", [{**message(1), "id": key}], GROUP)
    assert row["entity"] == "post"
    assert "post_id" not in row
    assert json.loads(row["raw"])["text"] == "x"


def view(key: str, **members: Any) -> dict[str, Any]:
    return {
        "uri": f"at://did:plc:{key}/app.bsky.feed.post/{key}",
        "author": {"did": f"did:plc:{key}", "handle": f"{key}.example"},
        "record": {"createdAt": "2024-06-01T08:00:00Z", "text": key},
        "likeCount": 1,
        **members,
    }


def quote(key: str) -> dict[str, Any]:
    quoted = view(key)
    quoted["value"] = quoted.pop("record")
    return {"$type": "app.bsky.embed.record#viewRecord", **quoted}


def test_bluesky__takes_what_a_post_quotes():
    plain = view("a", embed={"$type": "app.bsky.embed.record#view", "record": quote("b")})
    with_media = view("c", embed={"$type": "app.bsky.embed.recordWithMedia#view", "record": {"record": quote("d")}})
    lost = view(
        "e", embed={"record": {"$type": "app.bsky.embed.record#viewNotFound", "uri": "at://x", "notFound": True}}
    )
    feed = view("f", embed={"record": {"$type": "app.bsky.feed.defs#generatorView", "uri": "at://x"}})
    rows = map_records("bluesky_feed", [{"post": each} for each in (plain, with_media, lost, feed)])
    assert [row["post_text"] for row in rows if row["entity"] == "post"] == list("abcdef")
    assert {row["entity"] for row in rows} == {"user", "post"}


def test_bluesky__a_feed_may_answer_what_is_gone():
    reply = {
        "root": {"uri": "at://x", "notFound": True},
        "parent": {"uri": "at://y", "blocked": True, "author": {"did": "did:plc:y"}},
    }
    answer = view("a")
    answer["record"]["reply"] = {"root": {"uri": "at://x"}, "parent": {"uri": "at://y"}}
    rows = map_records("bluesky_feed", [{"post": answer, "reply": reply}])
    assert [(row["entity"], row.get("reason")) for row in rows] == [
        ("user", None),
        ("comment", None),
        ("skipped", "not_found"),
        ("skipped", "blocked"),
    ]
    assert (rows[1]["post_id"], rows[1]["parent_comment_id"]) == ("at://x", "at://y")


def test_bluesky__a_pinned_post_is_a_post():
    rows = map_records("bluesky_feed", [{"post": view("a"), "reason": {"$type": "app.bsky.feed.defs#reasonPin"}}])
    assert [row["entity"] for row in rows] == ["user", "post"]


def test_bluesky__lists_of_posts_and_lines_are_recognized():
    assert list_takers({"posts": [view("a")]}) == ["bluesky_feed"]
    assert list_takers(view("a"), kind=JSON_LINES) == ["bluesky_feed"]
    assert list_takers({"post": view("a")}, kind=JSON_LINES) == ["bluesky_feed"]
    assert list_takers({"thread": {"post": view("a")}}, kind=JSON_LINES) == ["bluesky_thread"]


def test_bluesky__a_thread_shows_what_is_above_it():
    answer = view("b")
    answer["record"]["reply"] = {"root": {"uri": view("a")["uri"]}, "parent": {"uri": view("a")["uri"]}}
    rows = map_records("bluesky_thread", [{"thread": {"post": answer, "parent": {"post": view("a")}, "replies": None}}])
    assert [(row["entity"], row.get("post_id")) for row in rows if row["entity"] != "user"] == [
        ("comment", view("a")["uri"]),
        ("post", view("a")["uri"]),
    ]


def test_facebook__takes_the_page_for_the_author_where_there_is_none():
    post = {"id": "5_1", "created_time": "2021-03-01T08:00:00+0000", "message": "Hi", "comments": None, "shares": None}
    [row] = map_records("facebook_graph", [post])
    assert (row["user_id"], row["shares"]) == ("5", "0")
    assert "like" not in row
    assert "other_reactions" not in row


def test_facebook__finds_parents_of_comments_in_one_list():
    comments = [{"id": "1_1", "message": "a"}, {"id": "1_2", "message": "b", "parent": {"id": "1_1"}}]
    post = {"id": "5_1", "created_time": "2021-03-01T08:00:00+0000", "comments": {"data": comments}}
    rows = map_records("facebook_graph", [post])
    assert [row.get("parent_comment_id") for row in rows if row["entity"] == "comment"] == [None, "1_1"]


def test_facebook__comments_alone_are_not_taken_for_posts():
    comment = {"id": "9001_1", "created_time": "2021-03-01T08:00:00+0000", "message": "a", "like_count": 2}
    assert list_takers({"data": [{**comment, "comments": {"data": []}}]}) == []


def test_facebook__the_download_tells_the_same_post_by_the_same_key():
    post = {"timestamp": 1578144003, "data": [{"post": "Sm\u00c3\u00b8r"}], "title": "Ada posted."}
    again = {**post, "attachments": [], "data": [{"post": "Smør"}, {"update_timestamp": 1578144010}]}
    other = {**post, "timestamp": 1578144004}
    keys = [row["post_id"] for row in map_records("facebook_download_posts", [post, again, other])]
    assert keys[0] == keys[1] != keys[2]


def test_facebook__a_sticker_is_a_comment_of_the_download():
    [row] = map_records("facebook_download_comments", [{"timestamp": 1457387286, "title": "Ada commented."}])
    assert (row["entity"], row["timestamp"]) == ("comment", "2016-03-07 21:48:06")


def test_discord__withholds_direct_messages():
    record = {"id": "1", "type": "Default", "content": "x", "author": {"id": "9", "name": "ada"}}
    rows = map_records("discord", [record], {"channel": {"id": "2", "type": "DirectTextChat"}})
    assert rows == [{"entity": "skipped", "reason": "not_public", "skipped_entity": "post"}]


def test_discord__a_forwarded_message_begins_a_thread():
    author = {"id": "9", "name": "ada"}
    forwarded = {"id": "2", "type": "Default", "author": author, "reference": {"type": "Forward", "messageId": "1"}}
    answer = {"id": "3", "type": "Reply", "author": author, "reference": {"messageId": "2"}}
    again = {"id": "4", "type": "Reply", "author": author, "reference": {"messageId": "3"}}
    lost = {"id": "5", "type": "Reply", "author": author, "reference": None}
    rows = map_records("discord", [forwarded, answer, again, lost], {"channel": {"id": "2", "type": "GuildTextChat"}})
    assert [
        (row["entity"], row["post_id"], row.get("parent_comment_id")) for row in rows if row["entity"] != "user"
    ] == [("post", "2", None), ("comment", "2", None), ("comment", "2", "3"), ("post", "5", None)]


def test_instagram__a_comment_does_not_make_less_of_its_author():
    comment = {"id": "c", "text": "me", "ownerUsername": "ada", "owner": {"id": "1", "username": "ada"}}
    post = {"id": "p", "shortCode": "s", "ownerId": "1", "ownerUsername": "ada", "ownerFullName": "Ada"}
    rows = map_records("instagram_apify", [{**post, "latestComments": [comment]}, {**post, "id": "q"}])
    assert [row for row in rows if row["entity"] == "user"] == [
        {"entity": "user", "user_id": "1", "username": "ada", "name": "Ada"}
    ]


def test_apify__what_was_not_fetched_is_no_post():
    error = {"url": "https://x", "error": "not_found", "errorDescription": "Post does not exist"}
    for name in ("instagram_apify", "tiktok_apify"):
        assert map_records(name, [error]) == [
            {"entity": "skipped", "reason": "not_fetched", "skipped_entity": "document"}
        ]


def test_tiktok__tells_slideshows_from_videos():
    rows = map_records("tiktok_apify", [{"id": "1", "isSlideshow": True}, {"id": "2", "isSlideshow": False}])
    assert [row["post_type"] for row in rows] == ["slideshow", "video"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('{"text":"a "},{"text":"b"}', "a b"),
        ('{"takeoutSegments":[{"text":"a "},{"text":"b"}]}', "a b"),
        ('{"takeoutSegments":7}', None),
        ("plain, said", "plain, said"),
        ('{"text":"cut', '{"text":"cut'),
    ],
)
def test_takeout__reads_the_text_of_every_year(cell, text):
    names = name_columns(["Comment ID", "Channel ID", "Comment create timestamp", "Video ID", "Comment text"])
    [row] = map_records(
        "youtube_takeout", [dict(zip(names, ["c", "u", "2024-01-02 10:00:00 UTC", "v", cell], strict=True))]
    )
    assert row.get("comment") == text
    assert row["timestamp"] == "2024-01-02 10:00:00"


def test_jetstream__a_deletion_before_its_post_counts_too():
    def event(operation: str, key: str, **members: Any) -> dict[str, Any]:
        commit = {"operation": operation, "collection": "app.bsky.feed.post", "rkey": key, **members}
        return {"did": "did:plc:a", "time_us": 1, "kind": "commit", "commit": commit}

    record = {"text": "x", "createdAt": "2024-09-09T19:46:02Z"}
    rows = map_records(
        "bluesky_jetstream",
        [event("delete", "1"), event("create", "1", record=record), event("update", "2", record=record)],
    )
    assert [(row["entity"], row.get("reason")) for row in rows] == [
        ("skipped", "deleted"),
        ("skipped", "deleted"),
        ("post", None),
    ]
