"""A record that surprises is one rejected row, or an issue of a field; never an exception, never nothing."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import golden_exports as exports
import pytest
from test_formats import NAMES, expected

from spark_jobs.extraction.keys import is_key
from spark_jobs.sources.rules import FIELDS, OWN_KEY

STRANGE: tuple[Any, ...] = (
    *(None, "", "  ", "x", "12", True, False, [], {}, [None], [[]], [{}], ["x"], {"id": "7"}, {"x": {"y": []}}),
    *("\ud83d", "x" * 5000),
)
MAY_SAY_NOTHING = {"x_v2", "x_archive"}
"""A page of answers may be empty; a profile speaks of another record."""
ENTITIES = {*FIELDS, "skipped", "rejected"}


def spoil(value: Any, chance: random.Random) -> Any:
    """A copy of a record in which one thing is another, or gone."""
    spoiled = copy.deepcopy(value)
    node, steps = spoiled, []
    while isinstance(node, dict | list) and node and (not steps or chance.random() < 0.7):
        step = chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
        steps.append((node, step))
        node = node[step]
    if not steps:
        return chance.choice(STRANGE)
    parent, step = steps[-1]
    if chance.random() < 0.3:
        del parent[step]
    else:
        parent[step] = chance.choice(STRANGE)
    return spoiled


def check(row: dict[str, Any]) -> Iterator[str]:
    if row["entity"] not in ENTITIES:
        yield f"entity {row['entity']}"
    for name in FIELDS.get(row["entity"], ()):
        value = row.get(name)
        fits = isinstance(value, list) if name == "tags" else isinstance(value, str)
        if value is not None and not fits:
            yield f"{name} is {value!r}"
    if any(not isinstance(tag, str) for tag in row.get("tags", [])):
        yield "a tag is no text"
    if row["entity"] in OWN_KEY and not is_key(row.get(OWN_KEY[row["entity"]])) and not row.get("raw"):
        yield "no key, and no raw text"
    if row["entity"] == "rejected" and not (row["reason"] and isinstance(row["raw"], str)):
        yield "no reason"


@pytest.mark.parametrize("name", NAMES)
def test_map__takes_any_record(name: str) -> None:
    chance = random.Random(name)
    for source, export in exports.read_golden(name, expected(name)["files"]):
        if source.is_native:
            continue
        export.stream_records(source)
        for _ in range(400):
            value, _ = chance.choice(export.records)
            spoiled = spoil(value, chance) if chance.random() < 0.95 else chance.choice(STRANGE)
            context = source.index([spoiled], {"owner": "7"}, export.enclosing)
            rows = source.map(spoiled, json.dumps(spoiled), context)
            assert [fault for row in rows for fault in check(row)] == [], spoiled
            assert not [row for row in rows if row.get("reason") == "unreadable_record"], (spoiled, rows)
            assert rows or source.name in MAY_SAY_NOTHING, spoiled
            assert [row["record_index"] for row in rows if row["entity"] == "user"] == list(
                range(sum(row["entity"] == "user" for row in rows))
            )


TWEET = {"tweet": {"id_str": "1", "full_text": "words", "created_at": "Sat Aug 12 16:10:37 +0000 2023"}}
SURPRISES: tuple[tuple[Any, str, Any], ...] = (
    (None, "not_an_object", None),
    ("text", "not_an_object", "text"),
    ([TWEET], "not_an_object", [TWEET]),
    ({}, "unknown_kind", {}),
    ({"tweet": None}, "unknown_kind", {"tweet": None}),
    ({"tweet": "gone"}, "not_an_object", "gone"),
    ({"tweet": ["gone"]}, "not_an_object", "gone"),
    ({"tweet": {"full_text": "no id"}}, "unknown_kind", {"full_text": "no id"}),
    ({"poll": {"id_str": "1"}}, "unknown_kind", {"poll": {"id_str": "1"}}),
)
"""A record, the rule by which it is rejected, and the part of it that is kept."""


def test_map__makes_one_rejected_row_of_each_surprise_in_a_large_archive() -> None:
    source = next(source for source in exports.SOURCES if source.name == "x_archive")
    values: list[Any] = [{"tweet": TWEET["tweet"] | {"id_str": str(number)}} for number in range(2_000)]
    for number, (surprise, _, _) in enumerate(SURPRISES):
        values[200 * number + 7] = surprise
    context = source.index(values, {"owner": "7"}, {"variable": "window.YTD.tweets.part0"})
    rows = [source.map(value, json.dumps(value), context) for value in values]
    assert {len(of_one) for of_one in rows} == {1}
    rejected = [row for [row] in rows if row["entity"] == "rejected"]
    assert [(row["reason"], json.loads(row["raw"])) for row in rejected] == [(rule, raw) for _, rule, raw in SURPRISES]


@pytest.mark.parametrize(
    ("field", "value", "issue"),
    [
        ("full_text", {"is": "an object"}, ("post_text", "invalid_post_text", '{"is": "an object"}')),
        ("favorite_count", ["7"], ("like", "invalid_like", '["7"]')),
        ("entities", {"hashtags": [{"text": {"x": "y"}}]}, None),
    ],
)
def test_map__makes_an_issue_of_a_field_of_another_shape(field: str, value: Any, issue: Any) -> None:
    source = next(source for source in exports.SOURCES if source.name == "x_archive")
    record = {"tweet": TWEET["tweet"] | {field: value}}
    [row] = source.map(record, json.dumps(record), source.start(enclosing={"variable": "window.YTD.tweets.part0"}))
    assert row["post_id"] == "1"
    found = row.get("issues")
    assert found == ([dict(zip(("field", "rule", "value"), issue, strict=True))] if issue else None)


def test_map__keeps_the_exact_text_of_a_part_without_a_key() -> None:
    source = next(source for source in exports.SOURCES if source.name == "x_v2")
    text = '{"data": [ {"id":"1","text":"a"}, {"text" : "b", "n": 1.50} ], "meta": {}}'
    rows = source.map(exports.parse_json(text.encode()), text, source.start())
    assert [row.get("raw") for row in rows] == [None, '{"text" : "b", "n": 1.50}']


def test_map__tells_unknown_fields_and_cells() -> None:
    source = next(source for source in exports.SOURCES if source.name == "flat_csv")
    [row] = source.map({"post_id": "1", "mood": "", "weather": "x"}, "1,,x", source.start())
    assert row["unknown_fields"] == ["mood", "weather"]
    [row] = source.map(["1", "2", "3", "4"], "1,2,3,4", source.start())
    assert (row["entity"], row["reason"], row["raw"]) == ("rejected", "cell_count", "1,2,3,4")


def test_map__takes_a_blank_cell_as_absent() -> None:
    source = next(source for source in exports.SOURCES if source.name == "flat_csv")
    record = {"comment_id": "1", "post_id": "2", "user_id": "", "comment": "", "timestamp": ""}
    [row] = source.map(record, "1,2,,,", source.start())
    assert row == {"entity": "comment", "record_index": 0, "platform": None, "comment_id": "1", "post_id": "2"}
    source = next(source for source in exports.SOURCES if source.name == "facebook_statuses")
    record = {"status_id": "1_2", "status_published": "", "num_reactions": "", "num_likes": "3"}
    [row] = source.map(record, "", source.start())
    assert row.keys() == {"entity", "record_index", "platform", "post_id", "user_id", "like"}


def test_map__replaces_a_lone_surrogate() -> None:
    source = next(source for source in exports.SOURCES if source.name == "flat_jsonl")
    text = r'{"post_id": "1", "post_text": "half \ud83d", "tags": ["\ud83d\ude00", "\ude00"]}'
    [row] = source.map(exports.parse_json(text.encode()), text, source.start())
    assert (row["post_text"], row["tags"]) == ("half \ufffd", ["😀", "\ufffd"])
