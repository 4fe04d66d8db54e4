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
            assert not rows or [row["record_index"] for row in rows if row["entity"] == "user"] == list(
                range(sum(row["entity"] == "user" for row in rows))
            )
