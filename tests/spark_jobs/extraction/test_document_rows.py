"""A document's JSON to its row: every leaf as text, nothing judged, nothing lost."""

import json
from typing import Any

import pyarrow as pa
import pytest

from spark_jobs.extraction import documents
from spark_jobs.extraction.documents import build_document_row
from spark_jobs.extraction.parsing import parse_json
from spark_jobs.schemas import DOCUMENTS

NO_USER_FIELDS = dict.fromkeys(("username", "email", "name", "age", "gender", "date_created"))
NO_POST_FIELDS = dict.fromkeys(("post_text", "location", "timestamp", "shares"))
NO_COMMENT_FIELDS = dict.fromkeys(("user_id", "comment", "timestamp"))
NO_REACTIONS = dict.fromkeys(("like", "love", "wow", "haha", "sad", "angry"))


def row(text: str) -> dict[str, Any]:
    return stored(build_document_row(parse_json(text.encode()), text))


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """What the checkpoint holds of a row: every field, null where the row has none."""
    return pa.RecordBatch.from_pylist([row], DOCUMENTS).to_pylist()[0]


def user(**fields: object) -> dict[str, Any]:
    """The row of a user without anything else, and `fields`."""
    return stored({**NO_USER_FIELDS, "user_id": "u1", "posts": [], **fields})


def post(**fields: object) -> dict[str, Any]:
    return {**NO_POST_FIELDS, "post_id": "p1", "comments": [], **fields}


def comment(**fields: object) -> dict[str, Any]:
    return {**NO_COMMENT_FIELDS, **fields}


def test_build_document_row__keeps_every_field_as_it_is_written():
    text = """{
        "user_id": " u1 ", "username": "courtney76", "email": "A@Example.net", "name": "Zoë", "age": 32,
        "gender": "male", "date_created": "2015-07-16 14:57:48",
        "posts": [
            {"post_id": "p1", "post_text": " Hi ", "location": "Sydney", "timestamp": "2022-10-08 01:41:04",
             "shares": 2, "tags": ["Art", "#tech"],
             "reactions": {"like": 1, "love": 0, "wow": 7, "haha": 8, "sad": 9, "angry": 10},
             "comments": [{"user_id": "u2", "comment": "", "timestamp": "2014-02-10 03:52:11"}]},
            {"post_id": "p2"}
        ]
    }"""
    assert row(text) == user(
        **{
            "user_id": " u1 ",
            "username": "courtney76",
            "email": "A@Example.net",
            "name": "Zoë",
            "age": "32",
            "gender": "male",
            "date_created": "2015-07-16 14:57:48",
            "posts": [
                {
                    "post_id": "p1",
                    "post_text": " Hi ",
                    "location": "Sydney",
                    "timestamp": "2022-10-08 01:41:04",
                    "shares": "2",
                    "tags": ["Art", "#tech"],
                    "reactions": {"like": "1", "love": "0", "wow": "7", "haha": "8", "sad": "9", "angry": "10"},
                    "comments": [{"user_id": "u2", "comment": "", "timestamp": "2014-02-10 03:52:11"}],
                },
                post(post_id="p2"),
            ],
        }
    )


def test_build_document_row__is_empty_but_whole_for_an_empty_document():
    assert row("{}") == user(user_id=None, raw="{}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", None),
        ('""', ""),
        ('"x"', "x"),
        ("32", "32"),
        ("1.50", "1.50"),
        ("-0", "-0"),
        ("1e400", "1e400"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("false", "false"),
        ("[]", "[]"),
        ('["é", null]', '["é", null]'),
        ('{"a": "b"}', '{"a": "b"}'),
    ],
)
def test_build_document_row__takes_a_leaf_of_any_type_as_text(value, expected):
    text = (
        f'{{"user_id": "u1", "age": {value}, "posts": [{{"post_id": "p1", "shares": {value}, "tags": ["a", {value}], '
        f'"reactions": {{"like": {value}}}, "comments": [{{"comment": {value}}}]}}]}}'
    )
    assert row(text) == user(
        age=expected,
        posts=[
            post(
                shares=expected,
                tags=["a", expected],
                reactions=NO_REACTIONS | {"like": expected},
                comments=[comment(comment=expected)],
            )
        ],
    )


@pytest.mark.parametrize("value", ["null", '""', '" "', '"\\t\\u00a0\\u3000"', '"\\u0000 "', "true", "[1]", '{"a": 1}'])
def test_build_document_row__finds_no_key_in_what_is_blank_or_neither_text_nor_number(value):
    text = f'{{"user_id": {value}}}'
    assert row(text) == user(user_id=None, raw=text)
    text = f'{{"user_id": "u1", "posts": [{{"post_id": {value}}}]}}'
    assert row(text) == user(posts=[post(post_id=None, raw=f'{{"post_id": {value}}}')])


KEYS = [
    *(("7", "7"), ("7.0", "7"), ("7e0", "7"), ("70E-1", "7"), ("0.7e+1", "7"), ("7.000e000", "7"), ('"7"', "7")),
    *(('"7.0"', "7.0"), ('"007"', "007"), ('"7e0"', "7e0"), ('" 7 "', " 7 "), ('" u1\\n"', " u1\n")),
    *(
        ("0", "0"),
        ("0.0", "0"),
        ("-0.0", "0"),
        ("0e999999999999", "0"),
        ("-7.0", "-7"),
        ("7.50", "7.5"),
        ("75e-1", "7.5"),
    ),
    *(("-0.05", "-0.05"), ("12345678901234567890.0", "12345678901234567890"), ("1e21", "1" + "0" * 21)),
    *(("9007199254740993.0", "9007199254740993"), ("1e399", "1" + "0" * 399), ("1.5e3", "1500")),
]
NO_KEYS = (
    "1e400",
    "-1e399",
    "1e-399",
    "1e999999999999",
    "1e-99999999999999999999999",
    "9" * 401 + ".0",
    "true",
    "[7]",
    "1e" + "9" * 5_000,
)


@pytest.mark.parametrize(("value", "expected"), KEYS)
def test_build_document_row__takes_a_text_or_a_number_written_out_for_a_key(value, expected):
    assert row(f'{{"user_id": {value}}}') == user(user_id=expected)
    assert row(f'{{"user_id": "u1", "posts": [{{"post_id": {value}}}]}}') == user(posts=[post(post_id=expected)])
    text = f'{{"user_id": "u1", "posts": [{{"post_id": "p1", "comments": [{{"user_id": {value}}}]}}]}}'
    assert row(text) == user(posts=[post(comments=[comment(user_id=expected)])])


@pytest.mark.parametrize("value", NO_KEYS)
def test_build_document_row__finds_no_key_in_what_cannot_be_written_out(value):
    assert row(f'{{"user_id": {value}}}')["user_id"] is None
    text = f'{{"user_id": "u1", "posts": [{{"post_id": "p1", "comments": [{{}}, {{"user_id": {value}}}]}}]}}'
    invalid = issue("user_id", "invalid_user_id", value if value != "[7]" else '["7"]', 0, 1)
    assert row(text) == user(posts=[post(comments=[comment(), comment()])], issues=[invalid])


def test_build_document_row__of_a_document_with_fractions_is_still_plain():
    text = '{"user_id": "u1", "age": 32.0, "posts": [{"post_id": "p1", "shares": 1e0, "tags": [1.5], "comments": []}]}'
    value = parse_json(text.encode())
    assert build_document_row(value, text) is value
    assert row(text) == user(age="32.0", posts=[post(shares="1e0", tags=["1.5"])])


@pytest.mark.parametrize("text", ["null", "17", '"x"', "[]", '[{"user_id": "u1"}]', "true"])
def test_build_document_row__keeps_the_text_of_what_is_no_object(text):
    assert row(text) == stored({"fault": "not_an_object", "raw": text})


@pytest.mark.parametrize("value", ['"x"', "17", "{}", '{"post_id": "p1"}', "false"])
def test_build_document_row__counts_a_value_in_the_place_of_a_list_as_one_unusable_record(value):
    assert row(f'{{"user_id": "u1", "posts": {value}}}') == user(
        posts=[{"fault": "not_a_list", "comments": [], "raw": value}]
    )
    assert row(f'{{"user_id": "u1", "posts": [{{"post_id": "p1", "comments": {value}}}]}}') == user(
        posts=[post(comments=[{"fault": "not_a_list", "comments": [], "raw": value}])]
    )


@pytest.mark.parametrize("value", ["null", "[]"])
def test_build_document_row__takes_null_for_an_empty_list(value):
    text = f'{{"user_id": "u1", "posts": [{{"post_id": "p1", "tags": null, "reactions": null, "comments": {value}}}]}}'
    assert row(text) == user(posts=[post()])
    assert row(f'{{"user_id": "u1", "posts": {value}}}') == user()


def test_build_document_row__keeps_usable_posts_and_comments_beside_unusable_ones():
    text = """{"user_id": "u1", "posts": [ null , {"post_id": "p1", "comments": ["x" ,{"comment": "y"},
        [ 1.50 ]]}, 1e400,{"post_id": "p2", "comments": [{}]} ]}"""
    assert row(text) == user(
        posts=[
            {"fault": "not_an_object", "comments": [], "raw": "null"},
            post(
                comments=[
                    {"fault": "not_an_object", "raw": '"x"'},
                    comment(comment="y"),
                    {"fault": "not_an_object", "raw": "[ 1.50 ]"},
                ]
            ),
            {"fault": "not_an_object", "comments": [], "raw": "1e400"},
            post(post_id="p2", comments=[comment()]),
        ]
    )


def test_build_document_row__keeps_the_exact_text_of_a_document_without_key_and_of_all_under_it():
    lost_comment = '{ "comment" : "\\u00e9 \\"]}" }'
    lost_post = f'{{"post_id":"p1", "shares": 1.50,"comments" : [{lost_comment} , 1e400 ] }}'
    text = f' {{"posts" :[\n{lost_post},null ], "age": 1.50}}'.strip()
    assert row(text) == user(
        user_id=None,
        age="1.50",
        raw=text,
        posts=[
            post(
                shares="1.50",
                raw=lost_post,
                comments=[comment(comment='é "]}', raw=lost_comment), {"fault": "not_an_object", "raw": "1e400"}],
            ),
            {"fault": "not_an_object", "comments": [], "raw": "null"},
        ],
    )


def test_build_document_row__keeps_the_exact_text_of_a_post_without_key_and_its_comments_only():
    text = """{"user_id": "u1", "posts": [{"post_text": "lost", "comments": [{"comment" : 1.50}]},
        {"post_id": "p1", "comments": [{"comment" : 1.50}]}]}"""
    assert row(text) == user(
        posts=[
            post(
                post_id=None,
                post_text="lost",
                comments=[comment(comment="1.50", raw='{"comment" : 1.50}')],
                raw='{"post_text": "lost", "comments": [{"comment" : 1.50}]}',
            ),
            post(comments=[comment(comment="1.50")]),
        ]
    )


def repeated(field: str, value: str | None, *place: int) -> dict[str, Any]:
    return issue(field, "repeated_key", value, *place)


def issue(field: str, rule: str, value: str | None, *place: int) -> dict[str, Any]:
    post_index, comment_index = (*place, None, None)[:2]
    return {
        "post_index": post_index,
        "comment_index": comment_index,
        "field": field,
        "rule": rule,
        "value": value,
    }


def test_build_document_row__takes_all_lists_of_records_and_the_last_of_other_keys_that_stand_twice():
    text = """{"user_id": "u0", "posts": [{"post_id": "p0"}, 1], "user_id": "u1", "age": 1, "age": null, "age": 2,
        "posts": [{"post_text": "a", "comments": [1, 2], "comments": [{"comment": "b"}]}, 3]}"""
    assert row(text) == user(
        age="2",
        posts=[
            post(post_id="p0"),
            {"fault": "not_an_object", "comments": [], "raw": "1"},
            post(
                post_id=None,
                post_text="a",
                comments=[
                    {"fault": "not_an_object", "raw": "1"},
                    {"fault": "not_an_object", "raw": "2"},
                    comment(comment="b", raw='{"comment": "b"}'),
                ],
                raw='{"post_text": "a", "comments": [1, 2], "comments": [{"comment": "b"}]}',
            ),
            {"fault": "not_an_object", "comments": [], "raw": "3"},
        ],
        issues=[
            repeated("user_id", "u0"),
            repeated("posts", None),
            repeated("age", "1, null"),
            repeated("comments", None, 2),
        ],
    )


@pytest.mark.parametrize(
    ("lists", "post_ids"),
    [
        ('"posts": [{"post_id": "a"}], "posts": [{"post_id": "b"}]', ["a", "b"]),
        ('"posts": [{"post_id": "a"}], "p\\u006fsts": [{"post_id": "b"}]', ["a", "b"]),
        ('"posts" : [{"post_id": "a"}], "posts"\t\r\n: [{"post_id": "b"}]', ["a", "b"]),
        ('"posts": [], "posts"\t: [{"post_id": "b"}]', ["b"]),
        ('"posts": [], "posts"\r: [{"post_id": "b"}]', ["b"]),
        ('"posts":[{"post_id":"a"}],"posts":[],"posts":[{"post_id":"a"}]', ["a", "a"]),
        ('"posts": [{"post_id": "a"}], "posts": null', ["a"]),
        ('"posts": null, "posts": [{"post_id": "a"}]', ["a"]),
        ('"posts": null, "posts": null', []),
        ('"posts": [{"post_id": "a"}], "posts": "b"', ["a", None]),
        ('"posts": {"post_id": "a"}, "posts": [{"post_id": "b"}]', [None, "b"]),
        ('"posts": [{"post_id": "a"}], "age": 1, "posts": [{"post_id": "b"}], "name": "\\":"', ["a", "b"]),
    ],
)
def test_build_document_row__takes_the_posts_of_all_lists(lists, post_ids):
    found = row(f'{{"user_id": "u1", {lists}}}')
    assert [each["post_id"] for each in found["posts"]] == post_ids
    assert found["issues"] == [repeated("posts", None)]
    assert all((each["raw"] is None) == (each["post_id"] is not None) for each in found["posts"])


def test_build_document_row__finds_keys_that_stand_twice_at_every_level_but_in_values_it_does_not_take_apart():
    text = """{"user_id": "u1", "mood": {"a": 1, "a": 2}, "mood": 1, "posts": [{"post_id": "p0"}, {"post_id": "p1",
        "tags": ["a"], "tags": ["b"], "reactions": {"like": 1, "like": 2, "care": 3, "care": 4}, "comments": [{},
        {"user_id": "a", "comment": "x", "user_id": "b"}]}]}"""
    assert row(text) == user(
        posts=[
            post(post_id="p0"),
            post(
                tags=["b"],
                reactions=NO_REACTIONS | {"like": "2"},
                comments=[comment(), comment(user_id="b", comment="x")],
            ),
        ],
        unknown_fields=["mood", "posts.reactions.care"],
        issues=[
            repeated("mood", '{"a": "2"}'),
            repeated("tags", '["a"]', 1),
            repeated("reactions.like", "1", 1),
            repeated("reactions.care", "3", 1),
            repeated("user_id", "a", 1, 1),
        ],
    )


def test_build_document_row__of_a_document_without_id_keeps_the_text_of_all_posts():
    lost = '{"posts": [{"post_id": "a"}], "posts": null, "posts": [ 1.50 , {"comments": [{}], "comments": 7}]}'
    found = row(lost)
    assert [each["raw"] for each in found["posts"]] == ['{"post_id": "a"}', "1.50", '{"comments": [{}], "comments": 7}']
    assert [each["raw"] for each in found["posts"][2]["comments"]] == ["{}", "7"]


@pytest.mark.parametrize("text", [":)", "a :)", '":', '"', '\\":x', " :", "\n:", "!:", "user_id", "a:b", "é :x"])
def test_build_document_row__is_not_led_astray_by_a_text_that_looks_like_a_key(text):
    document = PLAIN | {"name": text, "posts": [PLAIN["posts"][0] | {"post_text": text, "tags": [text]}]}
    compact = json.dumps(document, separators=(",", ":"))
    spaced = json.dumps(document, ensure_ascii=False, indent=4, separators=(" ,", " : "))
    for written in (compact, spaced):
        assert row(written)["issues"] is None
        assert row(written.rstrip("}") + ', "age": 2}')["issues"] == [repeated("age", "1")]


def test_build_document_row__finds_keys_that_are_written_with_escapes():
    text = '{"user\\u005fid": "u1", "\\u0070osts": [17]}'
    assert row(text) == user(posts=[{"fault": "not_an_object", "comments": [], "raw": "17"}])


@pytest.mark.parametrize(
    ("tags", "reactions", "malformed"),
    [
        ('"art"', "null", [("tags", "art")]),
        ('{"a": 1.50}', "[]", [("tags", '{"a": "1.50"}'), ("reactions", "[]")]),
        ("null", "17", [("reactions", "17")]),
    ],
)
def test_build_document_row__keeps_tags_and_reactions_of_another_shape_apart(tags, reactions, malformed):
    text = f'{{"user_id": "u1", "posts": [{{"post_id": "p1", "tags": {tags}, "reactions": {reactions}}}]}}'
    issues = [issue(field, f"invalid_{field}", value, 0) for field, value in malformed]
    assert row(text) == user(posts=[post()], issues=issues)


def test_build_document_row__takes_missing_reactions_for_null():
    text = '{"user_id": "u1", "posts": [{"post_id": "p1", "tags": [], "reactions": {"wow": 1}}]}'
    assert row(text) == user(posts=[post(tags=[], reactions=NO_REACTIONS | {"wow": "1"})])


def test_build_document_row__names_unknown_fields_of_every_level_once_in_order():
    text = """{"user_id": "u1", "zeta": 1, "": 2, "posts": [
        {"post_id": "p1", "mood": 1, "reactions": {"like": 1, "care": 2}, "comments": [{"likes": 1}, {"likes": 2}]},
        {"post_id": "p2", "mood": 2}, {"post_id": "p3", "alpha": {"beta": 1}}]}"""
    assert row(text) == user(
        posts=[
            post(reactions=NO_REACTIONS | {"like": "1"}, comments=[comment(), comment()]),
            post(post_id="p2"),
            post(post_id="p3"),
        ],
        unknown_fields=["", "posts.alpha", "posts.comments.likes", "posts.mood", "posts.reactions.care", "zeta"],
    )


def test_build_document_row__replaces_lone_surrogates_and_keeps_pairs():
    text = """{"user_id": "\\ud800", "name": "a\\udc00b", "username": "\\ud83d\\udc0e", "\\udfff": 1,
        "posts": [{"post_id": "p1", "tags": ["\\ud83d"], "comments": [{"comment": ["\\udc0e"]}]}]}"""
    found = row(text)
    assert found == user(
        user_id="\ufffd",
        name="a\ufffdb",
        username="🐎",
        posts=[post(tags=["\ufffd"], comments=[comment(comment='["\ufffd"]')])],
        unknown_fields=["\ufffd"],
    )
    json.dumps(found, ensure_ascii=False).encode()


def test_build_document_row__keeps_the_raw_text_of_lone_surrogates_as_it_is_written():
    text = '{"name": "\\ud800"}'
    assert row(text) == user(user_id=None, name="\ufffd", raw=text)


PLAIN = {
    "user_id": "u1",
    "name": "n",
    "age": 1,
    "posts": [
        {"post_id": "p1", "tags": ["a"], "reactions": {"like": 1}, "comments": [{"user_id": "u2", "comment": "c"}]},
        {"post_id": "p2", "tags": [], "reactions": {}, "comments": []},
    ],
}
PLACES = [
    ("user_id",),
    ("name",),
    ("posts",),
    ("mood",),
    ("posts", 0),
    *(("posts", 0, name) for name in ("post_id", "shares", "tags", "reactions", "comments", "mood")),
    ("posts", 0, "tags", 0),
    *(("posts", 0, "reactions", name) for name in ("like", "care")),
    ("posts", 0, "comments", 0),
    *(("posts", 0, "comments", 0, name) for name in ("user_id", "comment", "likes")),
]


def test_build_document_row__is_a_plain_document_itself():
    value = parse_json(json.dumps(PLAIN).encode())
    assert build_document_row(value, json.dumps(PLAIN)) is value


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
@pytest.mark.parametrize("value", [None, "", " ", "x", 1, 1.5, True, [], ["x"], [None], {}, {"comment": "x"}], ids=repr)
def test_build_document_row__is_the_same_for_a_document_that_is_nearly_plain(monkeypatch, place, value):
    document = json.loads(json.dumps(PLAIN))
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    found = row(json.dumps(document))
    monkeypatch.setattr(documents, "count_plain_keys", lambda user: 0)
    assert found == row(json.dumps(document))
