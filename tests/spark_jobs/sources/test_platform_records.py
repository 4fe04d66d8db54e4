"""What real files of the platforms hold beyond the golden exports."""

import json
import random
from typing import Any

import golden_exports as exports
import pytest
from test_formats import expected
from test_surprises import spoil

from spark_jobs.extraction.parsing import parse_json
from spark_jobs.sources.catalog import list_sources
from spark_jobs.sources.environment import Row
from spark_jobs.sources.heads import JSON_LINES, JSON_OBJECT, Head
from spark_jobs.sources.recognition import name_columns
from spark_jobs.sources.source import Source

SOURCES = {source.name: source for source in list_sources({})}


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
        "left_chats": {"list": [{"id": 10, "type": "public_channel", "name": "Old", "messages": [message(1)]}]},
    }
    assert list_takers(account) == ["telegram"]
    wanted = [
        ("post", "7/1", "Garden"),
        ("comment", "7/1", None),
        ("skipped", None, None),
        ("post", "10/1", "Old"),
    ]
    for records in ([account], [*account["chats"]["list"], *account["left_chats"]["list"]]):
        rows = map_records("telegram", records)
        assert [(row["entity"], row.get("post_id"), row.get("channel")) for row in rows] == wanted


def test_telegram__an_answer_in_another_chat_is_no_answer_in_this_one():
    [row] = map_records("telegram", [message(2, reply_to_message_id=1, reply_to_peer_id="channel5")], GROUP)
    assert (row["comment_id"], row["post_id"]) == ("7/2", "5/1")


def test_telegram__what_is_said_in_a_topic_answers_it():
    topic = {"id": 1, "type": "service", "date_unixtime": "1717200000", "actor_id": "user1", "title": "Seeds"}
    records = [{**topic, "action": "topic_created"}, message(2, reply_to_message_id=1)]
    [post, comment] = map_records("telegram", records, GROUP)
    assert post == {
        **{"entity": "post", "post_id": "7/1", "user_id": "user1", "post_text": "Seeds", "post_type": "topic"},
        **{"timestamp": "2024-06-01 00:00:00", "channel": "Garden"},
    }
    assert comment["post_id"] == "7/1"


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
    assert rows[1]["author_name"] == "b.example"
    assert "parent_comment_id" not in rows[1], "it answers the post itself"


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


def skipped(reason: str, entity: str = "post") -> Row:
    return {"entity": "skipped", "reason": reason, "skipped_entity": entity}


def total(count: int) -> dict[str, Any]:
    return {"data": [], "summary": {"total_count": count}}


SIX = ("like", "love", "wow", "haha", "sad", "angry")
LIKED = {"likes": total(3)}
CHANNEL = {
    "guild": {"id": "1", "name": "Garden"},
    "channel": {"id": "2", "name": "general", "type": "GuildTextChat"},
}
BLUESKY_USER = {"entity": "user", "user_id": "did:plc:a", "username": "a.example"}
TIKTOK_POST = {"entity": "post", "post_id": "1", "post_type": "video"}


WHOLE = [
    (
        "telegram",
        message(
            1,
            **{"from": "Ada"},
            text=[{"type": "hashtag", "text": "#One"}, " x"],
            media_type="video_file",
            place_name="Park",
        ),
        GROUP,
        [
            {"entity": "user", "user_id": "user1", "name": "Ada"},
            {
                **{"entity": "post", "post_id": "7/1", "user_id": "user1", "post_text": "#One x", "location": "Park"},
                **{"timestamp": "2024-06-01 00:00:00", "tags": ["One"], "post_type": "video", "channel": "Garden"},
                **dict.fromkeys(("like", "love", "wow", "haha", "sad", "angry", "other_reactions"), "0"),
            },
        ],
    ),
    (
        "telegram",
        {"id": 1, "type": "message", "text_entities": [{"text": "a "}, {"text": "b"}], "reply_to_message_id": 2},
        GROUP,
        [{"entity": "comment", "comment_id": "7/1", "post_id": "7/2", "comment": "a b", "likes": "0"}],
    ),
    ("telegram", {"id": 1, "type": "unsupported"}, GROUP, [skipped("unsupported")]),
    (
        "bluesky_feed",
        {
            "post": {
                **{"uri": "at://did:plc:a/app.bsky.feed.post/1", "likeCount": 1, "repostCount": 2, "replyCount": 3},
                **{"quoteCount": 4, "bookmarkCount": 5},
                "author": {"did": "did:plc:a", "handle": "a.example", "displayName": "", "createdAt": "2023-05-01"},
                "record": {
                    **{"createdAt": "2024-06-01T10:00:00+02:00", "text": "x", "langs": ["en", "de"], "tags": ["t"]},
                    "embed": {"$type": "app.bsky.embed.images"},
                },
            }
        },
        {},
        [
            {**BLUESKY_USER, "date_created": "2023-05-01 00:00:00"},
            {
                **{"entity": "post", "post_id": "at://did:plc:a/app.bsky.feed.post/1", "user_id": "did:plc:a"},
                **{"post_text": "x", "timestamp": "2024-06-01 08:00:00", "tags": ["t"], "shares": "2", "like": "1"},
                **{"reported_comments": "3", "quotes": "4", "saves": "5", "post_type": "photo", "lang": "en"},
                "url": "https://bsky.app/profile/did:plc:a/post/1",
            },
        ],
    ),
    (
        "bluesky_feed",
        {
            **{"uri": "at://did:plc:a/app.bsky.feed.post/2", "author": {"did": "did:plc:a", "handle": "a.example"}},
            "value": {
                **{"createdAt": "2024-06-01T08:00:00Z", "text": "x", "langs": ["en"], "tags": ["t"]},
                "facets": [{"features": [{"tag": "u"}, {"uri": "https://x"}]}],
                "embed": {"$type": "app.bsky.embed.external"},
            },
        },
        {},
        [
            BLUESKY_USER,
            {
                **{"entity": "post", "post_id": "at://did:plc:a/app.bsky.feed.post/2", "user_id": "did:plc:a"},
                **{"post_text": "x", "timestamp": "2024-06-01 08:00:00", "tags": ["u", "t"], "lang": "en"},
                **{"post_type": "link", "url": "https://bsky.app/profile/did:plc:a/post/2"},
            },
        ],
    ),
    (
        "bluesky_feed",
        {
            **{"uri": "at://did:plc:a/app.bsky.feed.post/3", "author": {"did": "did:plc:a", "handle": "a.example"}},
            "value": {
                **{"createdAt": "2024-06-01T10:00:00+02:00", "text": "x"},
                "reply": {"root": {"uri": "at://r"}, "parent": {"uri": "at://p"}},
            },
        },
        {},
        [
            BLUESKY_USER,
            {
                **{"entity": "comment", "comment_id": "at://did:plc:a/app.bsky.feed.post/3", "post_id": "at://r"},
                **{"parent_comment_id": "at://p", "user_id": "did:plc:a", "author_name": "a.example", "comment": "x"},
                "timestamp": "2024-06-01 08:00:00",
            },
        ],
    ),
    (
        "bluesky_thread",
        {
            "thread": {
                "post": {
                    **{"uri": "at://did:plc:a/app.bsky.feed.post/1", "quoteCount": 4, "bookmarkCount": 5},
                    "author": {"did": "did:plc:a", "handle": "a.example", "displayName": "A"},
                    "record": {
                        **{"createdAt": "2024-06-01T10:00:00+02:00", "langs": ["en"], "tags": ["t"]},
                        "embed": {"$type": "app.bsky.embed.record"},
                    },
                },
            }
        },
        {},
        [
            {**BLUESKY_USER, "name": "A"},
            {
                **{"entity": "post", "post_id": "at://did:plc:a/app.bsky.feed.post/1", "user_id": "did:plc:a"},
                **{"timestamp": "2024-06-01 08:00:00", "tags": ["t"], "quotes": "4", "saves": "5", "lang": "en"},
                **{"post_type": "quote", "url": "https://bsky.app/profile/did:plc:a/post/1"},
            },
        ],
    ),
    ("bluesky_thread", {"thread": {"uri": "at://x", "notFound": True}}, {}, [skipped("not_found", "comment")]),
    (
        "facebook_graph",
        {
            **{
                "id": "5_1",
                "created_time": "2021-03-01T08:00:00+0100",
                "story": "s",
                "type": "link",
                "link": "https://x",
            },
            **{f"reactions_{name}": total(number) for number, name in enumerate(SIX)},
            **{"reactions": total(20), "place": {"location": {"city": "Utrecht"}}},
            "comments": {
                "data": [{"id": "1_1", "created_time": "2021-03-01T08:00:00+0100", "from": {"name": "Bo"}, **LIKED}],
            },
        },
        {},
        [
            {
                **{"entity": "post", "post_id": "5_1", "user_id": "5", "post_text": "s", "location": "Utrecht"},
                **{"timestamp": "2021-03-01 07:00:00", "shares": "0", "post_type": "link", "url": "https://x"},
                **{name: str(number) for number, name in enumerate(SIX)},
                "other_reactions": "5",
            },
            {
                **{"entity": "comment", "comment_id": "1_1", "post_id": "5_1", "author_name": "Bo", "likes": "3"},
                "timestamp": "2021-03-01 07:00:00",
            },
        ],
    ),
    (
        "discord",
        {
            **{"id": "3", "type": "Reply", "timestamp": "2024-06-06T12:00:00+02:00", "content": "x"},
            **{"author": {"id": "9", "name": "ada"}, "reference": {"messageId": "2"}},
        },
        CHANNEL,
        [
            {"entity": "user", "user_id": "9", "username": "ada"},
            {
                **{"entity": "comment", "comment_id": "3", "post_id": "2", "user_id": "9", "author_name": "ada"},
                **{"comment": "x", "timestamp": "2024-06-06 10:00:00", "likes": "0"},
            },
        ],
    ),
    (
        "discord",
        {"id": "3", "type": "Default", "content": "x #a", "timestamp": "2024-06-06T12:00:00+02:00", "author": None},
        CHANNEL,
        [
            {
                **{"entity": "post", "post_id": "3", "post_text": "x #a", "timestamp": "2024-06-06 10:00:00"},
                **{"tags": ["a"], "url": "https://discord.com/channels/1/2/3", "channel": "Garden/general"},
                **dict.fromkeys(("like", "love", "wow", "haha", "sad", "angry", "other_reactions"), "0"),
            },
        ],
    ),
    (
        "instagram_apify",
        {
            **{"id": "1", "shortCode": "s", "ownerId": "9", "ownerUsername": "ada", "ownerFullName": ""},
            **{"caption": "x #a", "hashtags": None, "commentsCount": -1, "likesCount": -1, "videoViewCount": 7},
            "latestComments": [{"text": "y", "ownerUsername": "bo", "likesCount": -1, "timestamp": "2023-01-02"}],
        },
        {},
        [
            {"entity": "user", "user_id": "9", "username": "ada"},
            {
                **{"entity": "post", "post_id": "1", "user_id": "9", "post_text": "x #a", "tags": ["a"]},
                "views": "7",
            },
            {
                **{"entity": "comment", "post_id": "1", "author_name": "bo", "comment": "y"},
                "timestamp": "2023-01-02 00:00:00",
            },
        ],
    ),
    (
        "tiktok_apify",
        {
            **{"id": "1", "text": "x #a", "createTime": 1700000000, "textLanguage": "un", "authorMeta.id": "9"},
            **{"authorMeta.name": "ada", "authorMeta.nickName": "Ada", "authorMeta.fans": 10},
        },
        {},
        [
            {"entity": "user", "user_id": "9", "username": "ada", "name": "Ada", "followers": "10"},
            {
                **{"entity": "post", "post_id": "1", "user_id": "9", "post_text": "x #a", "tags": ["a"]},
                **{"timestamp": "2023-11-14 22:13:20", "post_type": "video"},
            },
        ],
    ),
    ("tiktok_apify", {"id": "1", "textLanguage": "en"}, {}, [{**TIKTOK_POST, "lang": "en"}]),
    (
        "bluesky_jetstream",
        {
            **{"did": "did:plc:a", "kind": "commit"},
            "commit": {
                **{"operation": "create", "collection": "app.bsky.feed.post", "rkey": "1"},
                "record": {
                    **{"createdAt": "2024-06-01T10:00:00+02:00", "text": "x", "langs": ["en"], "tags": ["t"]},
                    "embed": {"$type": "app.bsky.embed.video"},
                },
            },
        },
        {},
        [
            {
                **{"entity": "post", "post_id": "at://did:plc:a/app.bsky.feed.post/1", "user_id": "did:plc:a"},
                **{"post_text": "x", "timestamp": "2024-06-01 08:00:00", "tags": ["t"], "lang": "en"},
                **{"post_type": "video", "url": "https://bsky.app/profile/did:plc:a/post/1"},
            },
        ],
    ),
    (
        "bluesky_jetstream",
        {
            **{"did": "did:plc:a", "kind": "commit"},
            "commit": {"operation": "create", "collection": "app.bsky.graph.follow", "rkey": "1", "record": {}},
        },
        {},
        [skipped("no_post", "document")],
    ),
    ("bluesky_jetstream", {"did": "did:plc:a", "kind": "identity"}, {}, [skipped("account_event", "document")]),
    (
        "facebook_download_posts",
        {
            "timestamp": 1578144003,
            "attachments": [{"data": [{"external_context": {"url": "https://x"}}]}],
        },
        {},
        [
            {
                **{"entity": "post", "post_id": "88db4ce60fd57942daaa91c199621f85", "timestamp": "2020-01-04 13:20:03"},
                **{"url": "https://x", "post_type": "link"},
            }
        ],
    ),
    (
        "facebook_download_posts",
        {
            "timestamp": 1578144003,
            "attachments": [{"data": [{"media": {"media_metadata": {"video_metadata": {"exif_data": []}}}}]}],
        },
        {},
        [
            {
                "entity": "post",
                "post_id": "88db4ce60fd57942daaa91c199621f85",
                "timestamp": "2020-01-04 13:20:03",
                "post_type": "video",
            }
        ],
    ),
]


@pytest.mark.parametrize(("name", "record", "file", "rows"), WHOLE)
def test_map__makes_whole_rows(name, record, file, rows):
    assert map_records(name, [record], file) == rows


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("telegram", {**GROUP, "messages": []}),
        ("telegram", {"left_chats": {"list": [{**GROUP, "messages": [message(1)]}]}}),
        ("facebook_graph", {"id": "5", "posts": {"data": [{"id": "5_1", "created_time": "2021-03-01T08:00:00+0000"}]}}),
        ("facebook_graph", {"id": "5_1", "created_time": "2021-03-01T08:00:00+0000", "shares": {"count": 1}}),
        ("bluesky_thread", {"thread": {"$type": "app.bsky.feed.defs#blockedPost", "uri": "at://x", "blocked": True}}),
        ("facebook_download_posts", {"group_posts_v2": [{"timestamp": 1578144003, "title": "Ada posted."}]}),
        ("facebook_download_comments", {"group_comments_v2": [{"timestamp": 1578144003, "title": "x"}]}),
        (
            "facebook_download_comments",
            {"comments": [{"data": [{"comment": {"timestamp": 1578144003, "comment": "x"}}], "title": "x"}]},
        ),
    ],
)
def test_detect__knows_the_other_forms_of_an_export(name, value):
    assert list_takers(value) == [name]


@pytest.mark.parametrize(
    "value",
    [
        {"id": 1, "type": "private_group", "messages": [{"id": 1, "date": "2019-01-01T00:00:00", "text": "no offset"}]},
        {"id": 1, "type": "room", "messages": [{"date_unixtime": "1717200000"}]},
        {"participants": [{"name": "A"}], "messages": [{"sender_name": "A", "timestamp_ms": 1, "content": "x"}]},
        {"channel": {"id": "1", "type": "text"}, "messages": []},
        {"data": [{"id": "1_1", "name": "x"}]},
        {"data": [{"id": "178", "created_time": "2021-03-01T08:00:00+0000", "comments": {"data": [1]}}]},
        {"feed": [{"post": {"uri": "https://x", "author": {"did": "x"}}}]},
        {"posts": [{"uri": "https://x"}], "thread": {"post": {"uri": "https://x"}}},
        {"timestamp": 1578144003, "title": "x"},
        {"timestamp": 1578144003, "id": "1", "data": [{"post": "x"}]},
        {"comments": [{"timestamp": 1578144003, "data": [], "title": "x"}]},
        {"kind": "commit", "did": "did:plc:a"},
        {"shortCode": "x", "ownerUsername": "x"},
        {"id": "1", "webVideoUrl": "https://x"},
    ],
)
def test_detect__refuses_what_only_resembles_an_export(value):
    assert list_takers(value) == []


@pytest.mark.parametrize(
    "name",
    [
        *("telegram_channel", "telegram_group", "bluesky_feed", "bluesky_thread", "facebook_graph", "discord"),
        *("instagram_apify", "tiktok_apify", "youtube_takeout", "facebook_dyi"),
    ],
)
def test_map__no_record_is_lost_where_its_author_is_known(name):
    chance = random.Random(name)
    for source, export in exports.read_golden(name, expected(name)["files"]):
        export.stream_records(source)
        for _ in range(200):
            spoiled = spoil(chance.choice(export.records)[0], chance)
            rows = source.map(spoiled, json.dumps(spoiled), source.index([spoiled], {}, export.enclosing))
            assert {row["entity"] for row in rows} - {"user"}, spoiled
