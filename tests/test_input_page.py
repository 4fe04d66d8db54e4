"""docs/input.md and the code say the same of every field, rule, time and limit; its examples are run in end_to_end."""

import json
import re
from datetime import datetime

import pyarrow as pa
import pytest

from luigi_tasks import config, paths
from spark_jobs import schemas
from spark_jobs.cleaning import mapped_records, rules, values
from spark_jobs.cleaning.records import BUILDERS, Records
from spark_jobs.extraction.documents import build_document_row
from spark_jobs.extraction.parsing import parse_json
from spark_jobs.schemas import (
    COMMENT_KEYS,
    DOCUMENT_KEYS,
    DOCUMENTS,
    MEASURES,
    POST_KEYS,
    REACTION_KEYS,
    REACTIONS,
    RECORD_FIELDS,
    RECORDS,
)
from spark_jobs.sources.source import CELL_COUNT, UNKNOWN_KIND, UNREADABLE_RECORD

PAGE = (paths.PROJECT / "docs" / "input.md").read_text(encoding="utf-8")
RULE = re.compile(r"`([a-z_]+)`")
SECTIONS = {
    "A user": ("user", DOCUMENT_KEYS),
    "A post": ("post", POST_KEYS),
    "Reactions": ("post", REACTION_KEYS),
    "A comment": ("comment", COMMENT_KEYS),
}
"""By heading the entity, and the keys that Extract knows."""
ANYWHERE = {rules.NUL_CHARACTER, schemas.REPEATED_KEY, rules.PARENT_REJECTED}
"""Rules that the tables of fields leave out, as every field or record can break them."""
COLUMNS = {
    ("post", "timestamp"): "post_timestamp",
    ("comment", "user_id"): "comment_user_id",
    ("comment", "comment"): "comment_text",
    ("comment", "timestamp"): "comment_timestamp",
    **{("post", reaction): measure for reaction, measure in zip(REACTIONS, MEASURES[1:], strict=True)},
}
"""Columns whose name is not that of the field."""
VALUES = [
    *('""', '"  "', '"x"', '"a@b.c"', '"a@b"', '"soon"', '"2015-07-16"', '"7"', '"-1"', '"1.5"', f'"{"x" * 401}"'),
    *("true", "0", "7", "7.5", "-1", "121", "1e13", "1e400", "{}", "[]", "[5]", '["a"]', f'["{"x" * 401}"]'),
    *('[{"post_id": "q"}]', '[{"comment": "c"}]', '{"like": 1}'),
]
"""JSON that a field is tried with: right for some, wrong for others."""
ABSENT = {"null": None, "0": 0, "''": ""}


def read_table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = re.split(r"^#+ ", re.split(rf"^#+ {heading}\n", PAGE, flags=re.MULTILINE)[1], flags=re.MULTILINE)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]


FIELDS = [(heading, row[0], row[1:]) for heading in SECTIONS for row in read_table(heading)]
"""Of every field its heading, its name, and the other cells of its row."""


FLAT_FIELDS = [(row[0], row[1], row[3:]) for row in read_table("Flat files")]
"""Of every field that only flat files have its entity, its name, what it is if absent, and if wrong."""


def write_document(heading: str, field: str, value: str | None) -> str:
    """A document with one field of this value, all others absent but for ids."""
    member = "" if value is None else f'"{field}": {value}'
    ids = {"A user": '"user_id": "u"', "A post": '"post_id": "p"'}.get(heading, "")
    if field in ("user_id", "post_id"):
        ids = ""
    inside = "{" + ", ".join(filter(None, (ids, member))) + "}"
    match heading:
        case "A user":
            return inside
        case "A post":
            return f'{{"user_id": "u", "posts": [{inside}]}}'
        case "Reactions":
            return f'{{"user_id": "u", "posts": [{{"post_id": "p", "reactions": {inside}}}]}}'
    return f'{{"user_id": "u", "posts": [{{"post_id": "p", "comments": [{inside}]}}]}}'


def clean(document: str) -> dict[str, Records]:
    """What Extract and Clean make of a document, by entity."""
    row = {"batch": "b", "file": "f", "position": 0} | build_document_row(parse_json(document.encode()), document)
    block = pa.RecordBatch.from_pylist([row], DOCUMENTS)
    return {entity: build_records(block) for entity, build_records in BUILDERS.items()}


def clean_flat(entity: str, field: str, value: str | None, platform: str | None = None) -> Records:
    """What Clean makes of a record of a flat file, with one field of this value and the ids that it needs."""
    ids = {"user": {"user_id": "u"}, "post": {"post_id": "p"}, "comment": {"post_id": "p", "comment_id": "c"}}[entity]
    place = {"batch": "b", "file": "f", "position": 0, "record_index": 0, "is_counted": True, "entity": entity}
    row = {**place, "platform": platform, **ids, field: value}
    return mapped_records.BUILDERS[entity](pa.RecordBatch.from_pylist([row], RECORDS))


def find_rules(found: dict[str, Records]) -> tuple[set[str], set[str]]:
    """The rules for which records were rejected, and those for which fields were corrected."""
    rejected = {rule for records in found.values() for rule, mask in records.broken if mask.any()}
    corrected = {rule for records in found.values() for rule in records.issues["rule"].to_pylist()}
    return rejected, corrected


def find_value(heading: str, field: str, document: str) -> object:
    entity = SECTIONS[heading][0]
    column = COLUMNS.get((entity, field), field)
    return clean(document)[entity].table[column].to_pylist()[0]


@pytest.mark.parametrize("heading", SECTIONS)
def test_fields__are_those_that_extract_knows(heading: str):
    assert sorted(row[0] for row in read_table(heading)) == sorted(SECTIONS[heading][1])


@pytest.mark.parametrize(("heading", "field", "cells"), FIELDS)
def test_fields__break_the_rules_that_the_page_names(heading: str, field: str, cells: list[str]):
    found: set[str] = set()
    for value in VALUES:
        document = write_document(heading, field, value)
        rejected, corrected = find_rules(clean(document))
        found |= rejected | corrected
        wrong = cells[-1].split(",")[0]
        if wrong in ABSENT and corrected:
            assert find_value(heading, field, document) == ABSENT[wrong], value
        assert bool(rejected) <= ("rejected" in cells[-1]), value
    found -= ANYWHERE
    if field in ("posts", "comments"):  # the ids of their elements have rows of their own
        found -= {rules.MISSING_POST_ID}
    assert found == set(RULE.findall(cells[-1]))


@pytest.mark.parametrize(("heading", "field", "cells"), FIELDS)
@pytest.mark.parametrize("value", [None, "null"])
def test_fields__are_required_and_absent_as_the_page_says(
    heading: str, field: str, cells: list[str], value: str | None
):
    required, _, _, absent, _ = cells
    document = write_document(heading, field, value)
    rejected, corrected = find_rules(clean(document))
    assert (required == "yes") == bool(rejected) == absent.startswith("rejected")
    assert corrected == set()
    if absent in ABSENT:
        assert find_value(heading, field, document) == ABSENT[absent]
    elif absent == "0 of each":
        assert {clean(document)["post"].table[measure][0].as_py() for measure in MEASURES[1:]} == {0}
    elif absent == "no tags":
        assert find_value(heading, field, document) == []
    elif not rejected:
        assert len(clean(document)[{"posts": "post", "comments": "comment"}[field]].table) == 0


@pytest.mark.parametrize(("heading", "field", "cells"), FIELDS)
def test_fields__lose_nul_characters_and_may_stand_twice(heading: str, field: str, cells: list[str]):
    if field not in ("posts", "comments", "reactions"):
        text = '["a\\u0000b"]' if field == "tags" else '"a\\u0000b"'
        assert rules.NUL_CHARACTER in find_rules(clean(write_document(heading, field, text)))[1]
    value = '"1"' if field.endswith("_id") else "null"
    twice = write_document(heading, field, value).replace(
        f'"{field}": {value}', f'"{field}": {value}, "{field}": {value}'
    )
    assert schemas.REPEATED_KEY in find_rules(clean(twice))[1]


def test_flat_fields__are_all_that_the_native_format_has_not():
    native = {"user": DOCUMENT_KEYS, "post": POST_KEYS | REACTION_KEYS, "comment": COMMENT_KEYS}
    expected = {(entity, field) for entity, keys in native.items() for field in set(RECORD_FIELDS[entity]) - keys}
    assert sorted((entity, field) for entity, field, _ in FLAT_FIELDS) == sorted(expected)


@pytest.mark.parametrize(("entity", "field", "cells"), FLAT_FIELDS)
def test_flat_fields__break_the_rules_that_the_page_names(entity: str, field: str, cells: list[str]):
    absent, wrong = cells
    for platform in (None, "x"):
        records = clean_flat(entity, field, None, platform)
        rejected, corrected = find_rules({entity: records})
        assert (bool(rejected), corrected) == (absent == "rejected", set())
        assert rejected or records.table[field].to_pylist() == [ABSENT[absent]]
    found: set[str] = set()
    for value in ("", "  ", "x", "7", "-1", "1.5", "1e13", "x" * 401):
        records = clean_flat(entity, field, value)
        rejected, corrected = find_rules({entity: records})
        found |= rejected | corrected
        if corrected and not rejected:
            assert records.table[field].to_pylist() == [ABSENT[wrong.split(",")[0]]], value
    assert found == set(RULE.findall(wrong))


def test_scores__may_be_negative():
    for entity in ("post", "comment"):
        records = clean_flat(entity, "score", "-7")
        assert (records.table["score"].to_pylist(), find_rules({entity: records})) == ([-7], (set(), set()))


def test_counts_that_are_missing__are_0_in_flat_files_and_unknown_in_exports_of_platforms():
    for platform, expected in ((None, 0), ("x", None)):
        table = clean_flat("post", "views", None, platform).table
        assert {table[measure][0].as_py() for measure in MEASURES} == {expected}
        assert table["views"][0].as_py() is None


def test_rules__are_those_of_the_code_with_their_outcome():
    tried = [write_document(heading, field, value) for heading, field, _ in FIELDS for value in (None, *VALUES)]
    tried += ["5", '{"posts": [{"post_id": "p\\u0000"}, 5]}', '{"user_id": "u", "user_id": "u"}']
    found = [find_rules(clean(document)) for document in tried]
    rejected = set.union(*(each[0] for each in found)) | {schemas.NOT_JSON}
    rejected |= {UNKNOWN_KIND, UNREADABLE_RECORD, CELL_COUNT}
    corrected = set.union(*(each[1] for each in found))
    named = {
        value
        for module in (rules, schemas)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", value)
    }
    assert named <= rejected | corrected
    documented = {RULE.findall(row[0])[0]: row[2] for row in read_table("Rules")}
    assert documented == dict.fromkeys(corrected, "corrected") | dict.fromkeys(rejected, "rejected")


def test_times__are_read_as_the_page_says():
    rows = read_table("Times")
    parsed = values.parse_times(pa.array([text.strip("`") for text, _ in rows])).to_pylist()
    assert parsed == [None if time == "unreadable" else datetime.fromisoformat(time) for _, time in rows]
    assert None in parsed and len(parsed) > parsed.count(None)


def test_limits__are_those_of_the_code():
    assert dict(read_table("Limits")) == {
        "an id, a tag, a location": f"{schemas.LONGEST_KEY} characters",
        "age": f"{rules.OLDEST_AGE} years",
        "shares, a reaction": f"{rules.LARGEST_COUNT:,}",
        "the offset of a time": f"{values.LONGEST_OFFSET.total_seconds() / 3600:g} hours",
        "the value that an issue shows": f"{rules.ISSUE_VALUE_LENGTH} characters",
    }
    assert PAGE.count(f"0 to {rules.LARGEST_COUNT:,}") == 2
    assert PAGE.count(f"0 to {rules.OLDEST_AGE}") == 2
    for key, _ in config.landing.get_params():
        assert not key.startswith("max_") or f"{key}`" in PAGE


def test_settings__are_named_by_their_section():
    named = re.findall(r"`\[(\w+)\] (\w+)`", PAGE)
    known = {(section.get_task_family(), key) for section in config.SECTIONS for key, _ in section.get_params()}
    assert named and set(named) <= known


def test_examples__are_json_without_a_fault():
    examples = re.findall(r"^```json\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for example in examples[:2]:
        for document in json.loads(example):
            assert find_rules(clean(json.dumps(document))) == (set(), set())
