"""Every golden export becomes what its expected.json says, and no other source takes it for its own."""

import json
from typing import Any

import golden_exports as exports
import pytest

from spark_jobs.sources.detection import looks_like

NAMES = sorted(path.name for path in exports.GOLDENS.iterdir() if not list(path.glob("*.zst")))

OF_NO_RECORD = ("likes_if_counted_from_events", "shares_if_counted_from_events")
"""Sums in the goldens that no record has."""


def expected(name: str) -> dict[str, Any]:
    return json.loads((exports.GOLDENS / name / "expected.json").read_text("utf-8"))


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_map__makes_of_an_export_what_is_expected(name: str, streams: bool) -> None:
    want = expected(name)
    rows = exports.map_golden(name, want["files"], streams)
    found = exports.summarize(rows)
    for count in ("users", "posts", "comments", "orphan_comments"):
        assert (count, found[count]) == (count, want[count])
    assert found["skipped"] == want.get("skipped", {})
    assert found["rejected"] == {}
    superseded = want.get("superseded", {})
    assert {name: found["superseded"].get(name, 0) for name in {"posts", "comments", *superseded}} == {
        "posts": 0,
        "comments": 0,
        **superseded,
    }
    assert found["issues"] == want.get("issues", {})
    wanted_sums = {measure: value for measure, value in want["sums"].items() if measure not in OF_NO_RECORD}
    assert {measure: exports.total(found, measure) for measure in wanted_sums} == wanted_sums
    assert {row["platform"] for row in rows} == {want["platform"]}


@pytest.mark.parametrize("name", NAMES)
def test_map__makes_the_example_records(name: str) -> None:
    want = expected(name)
    found = exports.summarize(exports.map_golden(name, want["files"]))
    for entity, example in want["example"].items():
        if "text" in example:
            example["comment"] = example.pop("text")
        row = exports.find_example(found, entity, example)
        if name == "facebook_dyi" and entity == "comment":
            assert row["post_id"], "a key that is made stands for the post that the download does not name"
            del example["post_id"]
        assert {field: row.get(field) for field in example} == {
            field: None if value == 0 and field not in row else value for field, value in example.items()
        }, "a measure that the format has not is unknown, where the golden has 0"


@pytest.mark.parametrize("name", NAMES)
def test_detect__exactly_one_source_takes_each_file_of_an_export(name: str) -> None:
    files = expected(name)["files"]
    for file in files:
        export = exports.Export(exports.GOLDENS / name / file)
        takers = [source.name for source in exports.SOURCES if looks_like(export.head, source)]
        assert len(takers) == 1, (file, takers)
