"""The golden exports, read in the simplest way that does for such small files, and mapped."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from spark_jobs.cleaning.rules import clean_count, clean_tags, clean_time
from spark_jobs.cleaning.values import format_times
from spark_jobs.extraction.documents import build_document_row
from spark_jobs.extraction.parsing import parse_json, parse_repeating
from spark_jobs.schemas import REACTIONS, USER_FIELDS
from spark_jobs.sources import heads
from spark_jobs.sources.catalog import list_sources
from spark_jobs.sources.detection import detect
from spark_jobs.sources.environment import Row
from spark_jobs.sources.heads import Head
from spark_jobs.sources.recognition import name_columns
from spark_jobs.sources.source import Source

GOLDENS = Path(__file__).parent / "goldens"
SOURCES = list_sources({})
COUNTS = (
    *("shares", *REACTIONS, "other_reactions", "reported_comments", "views", "quotes", "saves", "likes", "followers"),
)


class Export:
    """One file: what it begins with, and its records, each with its text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        self.enclosing: dict[str, Any] = {}
        if path.suffix == ".csv":
            self._read_csv(content.decode())
        else:
            self._read_json(content.decode())

    def _read_csv(self, text: str) -> None:
        header, *rows = list(csv.reader(text.splitlines(keepends=True)))
        names = name_columns(header)
        self.head = Head(heads.CSV, columns=tuple(header))
        self.records = [
            (dict(zip(names, row, strict=True)) if len(row) == len(names) else row, ",".join(row)) for row in rows
        ]

    def _read_json(self, text: str) -> None:
        variable = ""
        if text.startswith("window."):
            variable, text = (part.strip() for part in text.split("=", 1))
            self.enclosing = {"variable": variable}
        try:
            value = parse_repeating(text)
        except ValueError:
            values = [(parse_json(line.encode()), line) for line in text.splitlines() if line]
            self.head = Head(heads.JSON_LINES, tuple(value for value, _ in values))
            self.records = values
            return
        kind = heads.JS if variable else heads.JSON_ARRAY if isinstance(value, list) else heads.JSON_OBJECT
        values = value if isinstance(value, list) else [value]
        self.head = Head(kind, tuple(values), variable=variable)
        self.records = [(each, json.dumps(each)) for each in values]

    def stream_records(self, source: Source) -> None:
        """Take the records out of the object around them, as the reading of large files does."""
        if self.head.kind != heads.JSON_OBJECT:
            return
        ((value, _),) = self.records
        for path in source.records:
            found: Any = value
            for name in path.split("."):
                found = found.get(name) if isinstance(found, dict) else None
            if isinstance(found, list):
                self.records = [(each, json.dumps(each)) for each in found]
                self.enclosing = {key: each for key, each in value.items() if key != path}
                return


def read_golden(name: str, files: list[str]) -> list[tuple[Source, Export]]:
    exports = [Export(path) for path in sorted(GOLDENS / name / file for file in files)]
    return [(detect(export.head, export.path.name, SOURCES), export) for export in exports]


def map_golden(name: str, files: list[str], streams: bool = True, keeps_private: bool = False) -> list[Row]:
    """The rows of all files of a golden, in the order of their names."""
    found = read_golden(name, files)
    shared: dict[str, str] = {}
    for source, export in found:
        if source.may_share(export.head):
            for value, _ in export.records:
                shared |= source.read_shared(value)
    return [
        row
        for source, export in found
        for row in _map_export(source, export, shared, streams=streams, keeps_private=keeps_private)
    ]


def _map_export(
    source: Source, export: Export, shared: dict[str, str], streams: bool, keeps_private: bool
) -> Iterator[Row]:
    if source.is_native:
        for value, text in export.records:
            yield _flatten_user(build_document_row(value, text))
        return
    if streams:
        export.stream_records(source)
    values = [value for value, _ in export.records]
    context = source.index(values, shared, export.enclosing, keeps_private)
    for value, text in export.records:
        yield from source.map(value, text, context)


def _flatten_user(document: Row) -> Row:
    assert not document["posts"]
    names = ("user_id", *USER_FIELDS)
    return {"entity": "user", "platform": None, **{name: document[name] for name in names if document.get(name)}}


def summarize(rows: list[Row]) -> dict[str, Any]:
    """What `expected.json` says of an export, of these rows: the last version of each record counts."""
    issues: Counter[str] = Counter()
    last: dict[str, dict[object, Row]] = {"user": {}, "post": {}, "comment": {}}
    superseded: Counter[str] = Counter()
    for number, row in enumerate(rows):
        entity = row["entity"]
        if entity not in last:
            continue
        clean = _clean(row, issues)
        key = clean.get(f"{entity}_id") or number
        superseded[f"{entity}s"] += key in last[entity]
        last[entity][key] = clean
    users, posts, comments = last["user"], last["post"], last["comment"]
    return {
        "users": len(users),
        "posts": len(posts),
        "comments": len(comments),
        "orphan_comments": sum(comment.get("post_id") not in posts for comment in comments.values()),
        "skipped": Counter(row["reason"] for row in rows if row["entity"] == "skipped"),
        "rejected": Counter(row["reason"] for row in rows if row["entity"] == "rejected"),
        "superseded": {name: count for name, count in superseded.items() if count},
        "issues": dict(issues),
        "rows": last,
    }


def total(summary: dict[str, Any], name: str) -> int:
    """A sum of `expected.json`."""
    if name == "reactions_reported":
        return sum(total(summary, each) for each in (*REACTIONS, "other_reactions"))
    entity, field = ("comment", name.removeprefix("comment_")) if name.startswith("comment_") else ("post", name)
    field = "like" if (entity, field) == ("post", "likes") else field
    return sum(row.get(field) or 0 for row in summary["rows"][entity].values())


def find_example(summary: dict[str, Any], entity: str, example: dict[str, Any]) -> Row:
    """The row that an example of `expected.json` shows: that of its key, or where the format has none, of its time.
    The example becomes what a row can be compared with: no zeros at the end of a time, and no made-up key."""
    rows = summary["rows"][entity]
    if "." in example.get("timestamp", ""):
        example["timestamp"] = example["timestamp"].rstrip("0")
    key = example[f"{entity}_id"]
    if key in rows:
        return rows[key]
    del example[f"{entity}_id"]
    (row,) = (each for each in rows.values() if each["timestamp"] == example["timestamp"])
    return row


def _clean(row: Row, issues: Counter[str]) -> Row:
    """A row as Clean makes it, as far as the goldens show it."""
    clean = dict(row)
    for name in COUNTS:
        if name in row:
            field = clean_count(name, pa.array([row[name]]))
            clean[name] = field.values[0].as_py()
            issues.update(rule for rule, mask in field.broken if mask[0].as_py())
    if "score" in row:
        clean["score"] = int(row["score"])
    for name in ("timestamp", "date_created"):
        if name in row:
            field = clean_time(name, pa.array([row[name]]))
            clean[name] = format_times(field.values)[0].as_py()
            issues.update(rule for rule, mask in field.broken if mask[0].as_py())
    if row["entity"] == "post":
        clean["tags"] = clean_tags(pa.array([row.get("tags", [])], pa.list_(pa.string()))).values[0].as_py()
    if "age" in row:
        clean["age"] = int(float(row["age"]))
    return clean
