"""Landing files become rows of documents, or the reason why a file is broken."""

import errno
import gzip
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from spark_jobs.extraction import reading
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.reading import BrokenSource, read_documents
from spark_jobs.messages import FileFault

NO_FIELDS = dict.fromkeys(("username", "email", "name", "age", "gender", "date_created"))


def rows(path: Path, content: bytes) -> list[dict[str, Any]]:
    path.write_bytes(content)
    return [row for row, _ in read_documents(Source("f", path))]


def fault(path: Path) -> FileFault:
    with pytest.raises(BrokenSource) as broken:
        list(read_documents(Source("f", path)))
    return broken.value.fault


def user(user_id: str | None, position: int, **fields: object) -> dict[str, Any]:
    whole = {**NO_FIELDS, "user_id": user_id, "posts": [], "unknown_fields": None, "issues": None}
    return {**whole, "position": position, **fields}


def test_read_documents__tells_where_each_document_starts(tmp_path):
    content = b'[{"user_id": "u1"}, null, {"user_id": "u2"}]'
    assert rows(tmp_path / "a.json", content) == [
        user("u1", 1),
        {"fault": "not_an_object", "raw": "null", "position": 20},
        user("u2", 26),
    ]


def test_read_documents__keeps_lines_that_are_not_json_aside(tmp_path):
    content = b'{"user_id": "u1"}\n {"user_id": \r\n\n{"a": "\xff"}\n{"age": NaN}\n{"user_id": "u2"}'
    found = rows(tmp_path / "a.jsonl", content)
    assert [(row["position"], row.get("fault"), row.get("raw")) for row in found] == [
        (0, None, None),
        (19, "not_json", '{"user_id":'),
        (34, "not_json", '{"a": "\\xff"}'),
        (45, "not_json", '{"age": NaN}'),
        (58, None, None),
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
    (tmp_path / "a.json").write_bytes(content)
    offset, reason = expected
    assert fault(tmp_path / "a.json") == FileFault("f", offset, reason)


def test_read_documents__gives_a_verdict_on_a_damaged_gzip(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b'[{"user_id": "u1"}]')[:-4])
    reason = "damaged compressed data (Compressed file ended before the end-of-stream marker was reached)"
    assert fault(tmp_path / "a.gz") == FileFault("f", 0, reason)


@pytest.mark.parametrize(
    "around", ["%s", '{"user_id": "u9", "age": %s}', '{"posts": [{"comments": [{"comment": %s}]}]}']
)
def test_read_documents__survives_a_line_nested_to_any_depth(tmp_path, around):
    for depth in [*range(sys.getrecursionlimit() - 120, sys.getrecursionlimit() + 20), 100_000]:
        line = around % ("[" * depth + "]" * depth)
        found = rows(tmp_path / "a.jsonl", f'{{"user_id": "u1"}}\n{line}\n{{"user_id": "u2"}}\n'.encode())
        assert [row.get("user_id") for row in (found[0], found[-1])] == ["u1", "u2"]
        assert len(found) == 3


def test_read_documents__is_a_verdict_for_an_array_nested_too_deeply(tmp_path):
    nested = b"[" * 100_000 + b"]" * 100_000
    (tmp_path / "a.json").write_bytes(b'[{"user_id": "u1"}, {"a": ' + nested + b"}]")
    assert fault(tmp_path / "a.json") == FileFault("f", 20, "nested too deeply")


def test_read_documents__of_a_file_that_cannot_be_read_says_so(tmp_path):
    reason = "cannot be read (No such file or directory)"
    assert fault(tmp_path / "gone.json") == FileFault("f", None, reason)


def test_read_documents__of_a_plain_file_on_a_failing_disk_does_not_blame_compression(tmp_path, monkeypatch):
    class FailingDisk(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(reading, "open_export", lambda path, limit, folder: FailingDisk())
    assert fault(tmp_path / "a.json").reason == "cannot be read (Input/output error)"
