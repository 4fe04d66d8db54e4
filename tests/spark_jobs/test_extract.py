"""Landing files to rows of documents; reading without Spark, the job with it."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from spark_jobs.extraction import job, landing_files
from spark_jobs.extraction.job import BrokenSource, Source, read_documents
from spark_jobs.messages import (
    BatchToExtract,
    ExtractedBatch,
    ExtractRequest,
    FileFault,
    FileToRead,
    JobProgress,
    TableFacts,
)

NO_FIELDS = dict.fromkeys(("username", "email", "name", "age", "gender", "date_created"))


def rows(path: Path, content: bytes) -> list[dict[str, Any]]:
    path.write_bytes(content)
    return [row for row, _ in read_documents(Source("f", path))]


def fault(path: Path) -> dict[str, Any]:
    with pytest.raises(BrokenSource) as broken:
        list(read_documents(Source("f", path)))
    return broken.value.as_json()


def user(user_id: str | None, position: int, **fields: object) -> dict[str, Any]:
    whole = {**NO_FIELDS, "user_id": user_id, "posts": [], "unknown_fields": None}
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
    assert fault(tmp_path / "a.json") == {"file": "f", "byte_offset": offset, "reason": reason}


def test_read_documents__gives_a_verdict_on_a_damaged_gzip(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b'[{"user_id": "u1"}]')[:-4])
    reason = "damaged compressed data (Compressed file ended before the end-of-stream marker was reached)"
    assert fault(tmp_path / "a.gz") == {"file": "f", "byte_offset": 0, "reason": reason}


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
    assert fault(tmp_path / "a.json") == {"file": "f", "byte_offset": 20, "reason": "nested too deeply"}


def test_read_documents__of_a_file_that_cannot_be_read_says_so(tmp_path):
    reason = "cannot be read (No such file or directory)"
    assert fault(tmp_path / "gone.json") == {"file": "f", "byte_offset": 0, "reason": reason}


def run_job(
    spark: Any,
    folder: Path,
    batches: dict[str, list[str]],
    max_unpacked_bytes: int | None = None,
    told: list[JobProgress] | None = None,
) -> list[ExtractedBatch]:
    """Run the job on files below `folder`; what it tells on the way is added to `told`."""
    landed = [
        BatchToExtract(name, [FileToRead(file, str(folder / file)) for file in files])
        for name, files in batches.items()
    ]
    request = ExtractRequest(landed, str(folder / "staging"), max_unpacked_bytes)
    return list(job.run(spark, request, ([] if told is None else told).append).batches)


def written(folder: Path, batch_no: int) -> list[dict[str, Any]]:
    paths = sorted((folder / "staging" / f"batch_no={batch_no}" / "documents").glob("*"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_run__tells_how_many_documents_and_files_are_done(spark, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b'{"user_id": "u1"}\n{"user_id": "u2"}')
    told: list[JobProgress] = []
    run_job(spark, tmp_path, {"one": ["a", "b"], "two": ["c"]}, told=told)
    assert told[-1] == JobProgress(2, 2, "6 documents, 3 of 3 files", url=None)


def test_run__tells_for_each_batch_its_documents_or_its_first_broken_file(spark, tmp_path):
    (tmp_path / "a").write_bytes(b'[{"user_id": "u1"}, {"user_id": "u2"}]')
    (tmp_path / "b").write_bytes(b'[{"user_id": "u1"}, {"user_id": "u2"')
    (tmp_path / "c").write_bytes(b"")
    names = {"whole": ["a"], "broken": ["a", "b"], "empty": ["c"], "without files": [], "the same again": ["a"]}
    found = run_job(spark, tmp_path, names)
    assert [(each.documents.rows, each.fault) for each in found] == [
        (2, None),
        (0, FileFault("b", 36, "the array is cut short")),
        (0, None),
        (0, None),
        (2, None),
    ]


# Large files are read in pieces: the same documents, whatever the pieces.

DOCUMENTS = [{"user_id": f"u{number}", "name": 'é\n  {[,"' * (number % 7)} for number in range(200)]


CUT, ONE_PIECE, CUT_WRONGLY = "cut", "one piece", "cut wrongly"


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (json.dumps(DOCUMENTS, indent=4), CUT),
        ("\ufeff " + json.dumps(DOCUMENTS, indent="\t", ensure_ascii=False) + " \n", CUT),
        (json.dumps(DOCUMENTS, indent=2).replace("\n", "\r\n"), CUT),
        ("\n".join(map(json.dumps, DOCUMENTS)), CUT),
        ("\n".join([*map(json.dumps, DOCUMENTS[:99]), "no json", "17", *map(json.dumps, DOCUMENTS[99:])]), CUT),
        ("[\n" + ",\n".join(map(json.dumps, DOCUMENTS)) + "\n]", CUT),
        (json.dumps(DOCUMENTS, indent=4)[:-2] + ", 17, 18\n]", CUT),
        (json.dumps(DOCUMENTS, indent=4).replace("},\n    {", "}, 17,\n    {"), CUT),
        (json.dumps(DOCUMENTS), ONE_PIECE),
        (
            json.dumps({"user_id": "u1", "posts": [{"post_id": str(number)} for number in range(99)]}, indent=1),
            ONE_PIECE,
        ),
        (json.dumps([{"user_id": "u1", "posts": [{"post_id": "p1"}] * 99}, *DOCUMENTS], indent=0), CUT_WRONGLY),
    ],
)
def test_run__reads_a_large_file_as_if_it_were_not_cut(spark, tmp_path, monkeypatch, content, how):
    (tmp_path / "large").write_bytes(content.encode())
    whole = [{"batch": "b", "file": "large", **row} for row, _ in read_documents(Source("f", tmp_path / "large"))]
    monkeypatch.setattr(landing_files, "PIECE_BYTES", 1000)
    assert (len(landing_files.pieces(tmp_path / "large")) > 1) == (how != ONE_PIECE)
    (found,) = run_job(spark, tmp_path, {"b": ["large"]})
    assert (found.documents.rows, found.fault) == (len(whole), None)
    assert [(row["position"], row["user_id"], row["raw"]) for row in written(tmp_path, 0)] == [
        (row["position"], row.get("user_id"), row.get("raw")) for row in whole
    ]
    parts = list((tmp_path / "staging").rglob("*.parquet"))
    assert (len(parts) > 1) == (how == CUT)


@pytest.mark.parametrize(
    "text", ["[]", " [ ] ", "[{}]", '[1,"a"]', '\ufeff[{"é":1} ,\n {} ]\n', '{"a":1}', "", "{}\n{}"]
)
def test_array_elements__are_those_of_the_careful_reader(tmp_path, text):
    (tmp_path / "a").write_text(text, encoding="utf-8")
    with (tmp_path / "a").open("rb") as file:
        expected = [(each.offset, each.content.decode()) for each in landing_files.read_texts(file)]
    found = landing_files.array_elements(tmp_path / "a")
    if "[" in text:
        assert [(offset, content) for offset, content, _ in found] == expected
    else:
        assert found is None


@pytest.mark.parametrize(
    "text", ["[", "[{}", "[{},", "[{},]", "[,{}]", "[{}{}]", "[{}]]", "[{}] {}", "[{]}", "[NaN]", '["a]', "[\x00]"]
)
def test_array_elements__of_anything_but_an_array_are_an_error(tmp_path, text):
    (tmp_path / "a").write_text(text)
    with pytest.raises(landing_files.BrokenFile):
        list(landing_files.array_elements(tmp_path / "a"))


@pytest.mark.parametrize(
    "break_it",
    [
        lambda text: text[:-1],
        lambda text: text + "]",
        lambda text: text.replace("    },\n", "    }\n", 1),
        lambda text: text.replace('"u150"', '"u150'),
        lambda text: text.replace('"u150"', "NaN"),
        lambda text: text.replace('    "user_id": "u150",', '    "user_id": [{},\n    {"a": 1'),
        lambda text: text[: len(text) // 2] + "]" + text[len(text) // 2 :],
    ],
)
def test_run__gives_the_verdict_on_a_large_broken_file_as_if_it_were_not_cut(spark, tmp_path, monkeypatch, break_it):
    monkeypatch.setattr(landing_files, "PIECE_BYTES", 1000)
    (tmp_path / "large").write_text(break_it(json.dumps(DOCUMENTS, indent=4)))
    assert len(landing_files.pieces(tmp_path / "large")) > 1
    expected = fault(tmp_path / "large") | {"file": "large"}
    (found,) = run_job(spark, tmp_path, {"b": ["large"]})
    assert found == ExtractedBatch(TableFacts(0, "0"), FileFault(**expected))
