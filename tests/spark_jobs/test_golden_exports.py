"""The golden exports through the jobs Extract and Clean: what becomes of their records, as `expected.json` has it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from golden_exports import GOLDENS
from pyspark import SparkContext

from luigi_tasks.quality.ledger import build_ledger, find_stop_reason
from spark_jobs.cleaning import job as cleaning
from spark_jobs.extraction import job as extraction
from spark_jobs.messages import (
    BatchToClean,
    BatchToExtract,
    CleanedBatch,
    CleanRequest,
    ExtractedBatch,
    ExtractRequest,
    FileToRead,
)
from spark_jobs.schemas import CHECKPOINT_TABLES, EXTRACT_TABLES, POST_MEASURES, REACTIONS

NAMES = sorted(path.name for path in GOLDENS.iterdir())
COUNTERS = {*REACTIONS, "likes", *POST_MEASURES}
MADE_KEYS = {"facebook_dyi": ("post_id", "comment_id")}
"""Keys that a source has not, so that some are made of what it has."""
Rows = dict[str, list[dict[str, Any]]]


def expect(name: str) -> dict[str, Any]:
    return json.loads((GOLDENS / name / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(spark: SparkContext, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[CleanedBatch, Rows]]:
    """By golden, what Clean counted, and the rows of its tables; all built in one go, a batch each."""
    folder = tmp_path_factory.mktemp("goldens")
    batches = []
    for name in NAMES:
        files = sorted(expect(name)["files"])
        batches.append(BatchToExtract(name, [FileToRead(file, str(GOLDENS / name / file)) for file in files]))
    asked = ExtractRequest(batches, str(folder / "extract"), None)
    extracted = extraction.run(spark, asked, lambda progress: None).batches
    assert [batch.fault for batch in extracted] == [None] * len(NAMES)
    to_clean = [
        BatchToClean(name, list_folders(folder / "extract" / f"batch_no={number}", batch))
        for number, (name, batch) in enumerate(zip(NAMES, extracted, strict=True))
    ]
    request = CleanRequest(to_clean, str(folder / "clean"), impute_age=False, fill_in_users=False)
    cleaned = cleaning.run(spark, request, lambda progress: None).batches
    return {
        name: (batch, read_tables(folder / "clean" / f"batch_no={number}"))
        for number, (name, batch) in enumerate(zip(NAMES, cleaned, strict=True))
    }


def list_folders(folder: Path, batch: ExtractedBatch) -> list[str]:
    rows = {"documents": batch.documents.rows, "records": batch.records.rows}
    return [str(folder / table) for table in EXTRACT_TABLES if rows[table]]


def read_tables(folder: Path) -> Rows:
    return {
        table: [row for path in sorted((folder / table).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
        for table in CHECKPOINT_TABLES
    }


@pytest.mark.parametrize("name", NAMES)
def test_golden_export__becomes_what_is_expected(built, name):
    expected = expect(name)
    cleaned, rows = built[name]
    counts = {table: len(rows[table]) for table in ("users", "posts", "comments")}
    assert counts == {table: expected[table] for table in counts}
    posts = {row["post_id"] for row in rows["posts"]}
    assert sum(row["post_id"] not in posts for row in rows["comments"]) == expected["orphan_comments"]
    skipped: dict[str, int] = {}
    for reason, count in cleaned.counts.skipped.items():
        skipped[reason.partition(".")[2]] = skipped.get(reason.partition(".")[2], 0) + count
    skipped.pop("nothing_to_load", None)
    assert skipped == expected.get("skipped", {})
    lines = build_ledger(cleaned.counts)
    assert find_stop_reason(lines, counts, 0.0) is None
    issues: dict[str, int] = {}
    for row in rows["issues"]:
        issues[row["rule"]] = issues.get(row["rule"], 0) + 1
    assert issues == expected.get("issues", {})


@pytest.mark.parametrize("name", NAMES)
def test_golden_export__has_the_sums_that_are_expected(built, name):
    expected = expect(name)["sums"]
    _, rows = built[name]
    found = {measure: sum(row[measure] or 0 for row in rows["posts"]) for measure in POST_MEASURES}
    found |= {
        f"comment_{measure}": sum(row[measure] or 0 for row in rows["comments"]) for measure in ("likes", "score")
    }
    assert {measure: found[measure] for measure in expected if measure in found} == {
        measure: value for measure, value in expected.items() if measure in found
    }


@pytest.mark.parametrize("name", NAMES)
def test_golden_export__has_the_records_that_are_expected(built, name):
    examples = expect(name).get("example", {})
    _, rows = built[name]
    platform = expect(name)["platform"]
    names = {"like": "likes", "timestamp": "post_timestamp"}
    comment_names = {"user_id": "comment_user_id", "text": "comment_text", "timestamp": "comment_timestamp"}
    for entity, table, key, renamed in (
        ("user", "users", "user_id", {}),
        ("post", "posts", "post_id", names),
        ("comment", "comments", "comment_id", comment_names),
    ):
        example = examples.get(entity)
        if not example:
            continue
        known = {field: value for field, value in example.items() if field not in MADE_KEYS.get(name, ())}
        by = key if key in known else next(field for field in known if "text" in field)
        (found,) = [row for row in rows[table] if row[renamed.get(by, by)] == known[by]]
        assert found["platform"] == platform
        shown = {field: found[renamed.get(field, field)] for field in known}
        assert {field: format_value(field, value) for field, value in shown.items()} == {
            field: format_value(field, value) for field, value in known.items()
        }


def format_value(name: str, value: object) -> object:
    """A value as `expected.json` writes it: times as texts, and 0 for a counter that the source does not have."""
    if isinstance(value, datetime):
        text = value.isoformat(" ")
        return text[: -len("000")] if value.microsecond else text
    return 0 if value is None and name in COUNTERS else value
