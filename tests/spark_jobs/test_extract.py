"""Landing files to rows of documents; all but the last test without Spark."""

import gzip
import sys
from pathlib import Path
from typing import Any

import pytest

from spark_jobs import extract
from spark_jobs.extract import read_documents

NO_FIELDS = dict.fromkeys(("username", "email", "name", "age", "gender", "date_created"))


def rows(path: Path, content: bytes) -> list[dict[str, Any]]:
    path.write_bytes(content)
    return [row for row, _ in read_documents(path)]


def user(user_id: str | None, position: int, byte_offset: int, **fields: object) -> dict[str, Any]:
    whole = {**NO_FIELDS, "user_id": user_id, "posts": [], "unknown_fields": None}
    return {**whole, "position": position, "byte_offset": byte_offset, **fields}


def test_read_documents__numbers_the_documents_of_a_file(tmp_path):
    content = b'[{"user_id": "u1"}, null, {"user_id": "u2"}]'
    assert rows(tmp_path / "a.json", content) == [
        user("u1", 0, 1),
        {"fault": "not_an_object", "raw": "null", "position": 1, "byte_offset": 20},
        user("u2", 2, 26),
    ]


def test_read_documents__keeps_lines_that_are_not_json_aside(tmp_path):
    content = b'{"user_id": "u1"}\n {"user_id": \r\n\n{"a": "\xff"}\n{"age": NaN}\n{"user_id": "u2"}'
    found = rows(tmp_path / "a.jsonl", content)
    assert [(row["position"], row.get("fault"), row.get("raw")) for row in found] == [
        (0, None, None),
        (1, "not_json", '{"user_id":'),
        (2, "not_json", '{"a": "\\xff"}'),
        (3, "not_json", '{"age": NaN}'),
        (4, None, None),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"user_id": "u1"}, {"user_id"', (30, "the array is cut short")),
        (b'[{"user_id": "u1"}, {"a": "\xff"}]', (27, "not UTF-8")),
        (b'[{"user_id": "u1"}, {"a": [1}, {}]', (28, "not valid JSON (Expecting ',' delimiter)")),
        (b'[{"user_id": "u1"}, {"a": NaN}]', (20, "NaN is not JSON")),
        (b'[{"user_id": "u1"}]]', (19, "text follows the end of the array")),
    ],
)
def test_read_documents__ends_in_the_verdict_on_a_broken_file(tmp_path, content, expected):
    offset, reason = expected
    assert rows(tmp_path / "a.json", content) == [
        user("u1", 0, 1),
        {"position": 1, "byte_offset": offset, "fault": "broken_file", "reason": reason},
    ]


def test_read_documents__gives_a_verdict_on_a_damaged_gzip(tmp_path):
    content = gzip.compress(b'[{"user_id": "u1"}]')[:-4]
    reason = "damaged compressed data (Compressed file ended before the end-of-stream marker was reached)"
    assert rows(tmp_path / "a.gz", content) == [
        {"position": 0, "byte_offset": 0, "fault": "broken_file", "reason": reason}
    ]


@pytest.mark.parametrize(
    "around", ["%s", '{"user_id": "u9", "age": %s}', '{"posts": [{"comments": [{"comment": %s}]}]}']
)
def test_read_documents__survives_a_line_nested_to_any_depth(tmp_path, around):
    for depth in [*range(sys.getrecursionlimit() - 120, sys.getrecursionlimit() + 20), 100_000]:
        line = around % ("[" * depth + "]" * depth)
        found = rows(tmp_path / "a.jsonl", f'{{"user_id": "u1"}}\n{line}\n{{"user_id": "u2"}}\n'.encode())
        assert [(row["position"], row.get("user_id")) for row in (found[0], found[-1])] == [(0, "u1"), (2, "u2")]


def test_read_documents__is_a_verdict_for_an_array_nested_too_deeply(tmp_path):
    nested = b"[" * 100_000 + b"]" * 100_000
    found = rows(tmp_path / "a.json", b'[{"user_id": "u1"}, {"a": ' + nested + b"}]")
    assert found == [
        user("u1", 0, 1),
        {"position": 1, "byte_offset": 20, "fault": "broken_file", "reason": "nested too deeply"},
    ]


def test_run__tells_for_each_batch_its_documents_or_its_first_broken_file(spark, tmp_path):
    (tmp_path / "a").write_bytes(b'[{"user_id": "u1"}, {"user_id": "u2"}]')
    (tmp_path / "b").write_bytes(b'[{"user_id": "u1"}, {"user_id": "u2"')
    (tmp_path / "c").write_bytes(b"")
    names = {"whole": ["a"], "broken": ["a", "b"], "empty": ["c"], "without files": [], "the same again": ["a"]}
    batches = [
        {"name": name, "files": [{"name": file, "path": str(tmp_path / file)} for file in files]}
        for name, files in names.items()
    ]
    found = extract.run(spark, {"batches": batches, "staging": str(tmp_path / "staging")})["batches"]
    assert [(each["tables"]["documents"]["rows"], each["fault"]) for each in found] == [
        (2, None),
        (4, {"file": "b", "byte_offset": 36, "reason": "the array is cut short"}),
        (0, None),
        (0, None),
        (2, None),
    ]


def test_read_documents__of_a_file_that_cannot_be_read_says_so(tmp_path):
    found = [row for row, _ in read_documents(tmp_path / "gone.json")]
    reason = "cannot be read (No such file or directory)"
    assert found == [{"position": 0, "byte_offset": 0, "fault": "broken_file", "reason": reason}]
