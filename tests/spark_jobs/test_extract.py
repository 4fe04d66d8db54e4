"""The job Extract: landing files of many batches become Parquet parts of documents."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from spark_jobs.extraction import job, splitting
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.reading import BrokenSource, read_documents
from spark_jobs.extraction.splitting import split_file
from spark_jobs.messages import (
    BatchToExtract,
    ExtractedBatch,
    ExtractRequest,
    FileFault,
    FileToRead,
    JobProgress,
    TableFacts,
)

NO_ROWS = TableFacts(0, "0")


def fault(path: Path) -> FileFault:
    with pytest.raises(BrokenSource) as broken:
        list(read_documents(Source(path.name, path)))
    return broken.value.fault


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
    (tmp_path / "c").write_bytes(b"[]")
    (tmp_path / "d").write_bytes(b"")
    names = {"whole": ["a"], "broken": ["a", "b"], "empty": ["c"], "nothing": ["c", "d"], "the same again": ["a"]}
    found = run_job(spark, tmp_path, names)
    assert [(each.documents.rows, each.fault) for each in found] == [
        (2, None),
        (0, FileFault("b", 36, "the array is cut short")),
        (0, None),
        (0, FileFault("d", 0, "nothing is in it; an export without records is []")),
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
    monkeypatch.setattr(splitting, "PIECE_BYTES", 1000)
    assert (len(split_file(tmp_path / "large")) > 1) == (how != ONE_PIECE)
    (found,) = run_job(spark, tmp_path, {"b": ["large"]})
    assert (found.documents.rows, found.fault) == (len(whole), None)
    assert [(row["position"], row["user_id"], row["raw"]) for row in written(tmp_path, 0)] == [
        (row["position"], row.get("user_id"), row.get("raw")) for row in whole
    ]
    parts = list((tmp_path / "staging").rglob("*.parquet"))
    assert (len(parts) > 1) == (how == CUT)


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
    monkeypatch.setattr(splitting, "PIECE_BYTES", 1000)
    (tmp_path / "large").write_text(break_it(json.dumps(DOCUMENTS, indent=4)))
    assert len(split_file(tmp_path / "large")) > 1
    expected = fault(tmp_path / "large")
    (found,) = run_job(spark, tmp_path, {"b": ["large"]})
    assert found == ExtractedBatch(NO_ROWS, NO_ROWS, expected)


def test_run__names_a_missing_file_that_follows_a_large_one(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(splitting, "PIECE_BYTES", 1000)
    (tmp_path / "large").write_text(json.dumps(DOCUMENTS, indent=4))
    (found,) = run_job(spark, tmp_path, {"b": ["large", "gone"]})
    assert found.fault == FileFault("gone", None, "cannot be read (No such file or directory)")
