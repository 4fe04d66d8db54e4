"""Extract alone: what makes its checkpoint stale, what it asks of Spark, and what it leaves. Spark is a stand-in."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luigi_tasks import config, fingerprints, run_id
from luigi_tasks.runs import lock
from luigi_tasks.spark import jobs
from luigi_tasks.stages.extract import Extract
from luigi_tasks.targets import landing
from spark_jobs.messages import ExtractedBatch, ExtractRequest, ExtractResult, FileFault, TableFacts
from spark_jobs.schemas import DOCUMENTS

NO_ROWS = TableFacts(0, "0")
FAULT = FileFault("a.json", 3, "the array is cut short")


class StandIn:
    """Answers as the job of Spark does, with a document for each file; `during` happens while it is at work."""

    def __init__(self) -> None:
        self.requests: list[ExtractRequest] = []
        self.faults: dict[str, FileFault] = {}
        self.during: Callable[[], object] = lambda: None

    def __call__(self, request: ExtractRequest, tell: Callable[..., None]) -> ExtractResult:
        self.requests.append(request)
        tell(1, 2, "half of it", None)
        self.during()
        batches = []
        for number, batch in enumerate(request.batches):
            fault = self.faults.get(batch.name)
            if not fault:
                part = Path(request.staging) / f"batch_no={number}" / "documents" / "000000.parquet"
                part.parent.mkdir(parents=True)
                pq.write_table(pa.Table.from_pylist([{"file": file.name} for file in batch.files], DOCUMENTS), part)
            documents = TableFacts(0 if fault else len(batch.files), f"f-{batch.name}")
            batches.append(ExtractedBatch(documents, NO_ROWS, fault))
        return ExtractResult(batches)


@pytest.fixture
def spark(monkeypatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(jobs, "run_extract", stand_in)
    return stand_in


def start_next_run(place, monkeypatch) -> None:
    monkeypatch.setenv(run_id.VARIABLE, "run-2")
    place.forget_answers()


def test_extract__leaves_a_checkpoint_of_each_batch(place, spark):
    files = [place.land("a/1.json"), place.land("a/2.json"), place.land("b.json")]
    task = Extract(batch="a/b")
    task.run()
    [request] = spark.requests
    asked = [(batch.name, [(file.name, file.path) for file in batch.files]) for batch in request.batches]
    assert {file.folder for batch in request.batches for file in batch.files} == {str(place.landing)}
    assert asked == [("a", [("1.json", str(files[0])), ("2.json", str(files[1]))]), ("b", [("b.json", str(files[2]))])]
    manifest = Extract(batch="a").output().require_intact()
    assert [file.path for file in manifest.files] == ["documents/000000.parquet"]
    assert [source.name for source in manifest.sources] == ["1.json", "2.json"]
    assert (manifest.tables, manifest.fault) == ({"documents": TableFacts(2, "f-a"), "records": NO_ROWS}, None)
    assert task.complete()
    task.run()
    assert len(spark.requests) == 1


def test_extract__leaves_the_fault_of_a_broken_file_and_the_others(place, spark):
    place.land("a.json")
    place.land("b.json")
    spark.faults["a"] = FAULT
    Extract(batch="a/b").run()
    broken = Extract(batch="a").output().require_intact()
    assert (broken.files, broken.fault) == ([], FAULT)
    assert Extract(batch="b").output().require_intact().fault is None
    assert Extract(batch="a").complete()


def test_extract__reads_again_in_the_next_run_what_a_job_could_not_read(place, spark, monkeypatch):
    place.land("a.json", [1])
    spark.faults["a"] = FileFault("a.json", None, "cannot be read (Input/output error)")
    Extract(batch="a").run()
    assert Extract(batch="a").output().require_intact().fault == spark.faults.pop("a")
    start_next_run(place, monkeypatch)
    assert not Extract(batch="a").complete()
    Extract(batch="a").run()
    assert Extract(batch="a").output().require_intact().fault is None


def test_extract__leaves_the_fault_of_a_batch_that_changed_while_it_was_read_and_the_others(place, spark, monkeypatch):
    path = place.land("a.json", [1])
    place.land("b.json")
    spark.during = lambda: path.write_text("[1, 2]")
    Extract(batch="a/b").run()
    held_up = Extract(batch="a").output().require_intact()
    fault = "changed while it was read: write it as NAME.tmp, and rename it once it is whole"
    assert (held_up.files, held_up.fault) == ([], FileFault("a.json", None, fault))
    assert Extract(batch="b").output().require_intact().fault is None
    assert Extract(batch="a").complete()
    assert not list((place.folder / "checkpoints/.staging").iterdir())
    start_next_run(place, monkeypatch)
    assert Extract(batch="a").find_stale_reason() == "its inputs changed"
    assert Extract(batch="b").complete()


def test_extract__asks_spark_only_about_batches_that_can_be_read(place, spark, monkeypatch):
    place.land("a.json")
    place.land("a.json.gz")
    place.land("b.json")
    (place.landing / "c.json").symlink_to("nowhere")
    Extract(batch="a/b/c").run()
    assert [[batch.name for batch in request.batches] for request in spark.requests] == [["b"]]
    twice = "of the same batch as a.json.gz: rename all but one, or put them into one folder"
    assert Extract(batch="a").output().require_intact().fault == FileFault("a.json", None, twice)
    assert Extract(batch="b").output().require_intact().tables == {
        "documents": TableFacts(1, "f-b"),
        "records": NO_ROWS,
    }
    start_next_run(place, monkeypatch)
    assert Extract(batch="a/b/c").complete()
    (place.landing / "a.json.gz").unlink()
    place.forget_answers()
    assert Extract(batch="a").find_stale_reason() == "its inputs changed"
    Extract(batch="a").run()
    assert Extract(batch="a").output().require_intact().fault is None


def test_extract__asks_spark_nothing_where_no_batch_can_be_read(place, spark):
    (place.landing / "c.json").symlink_to("nowhere")
    Extract(batch="c").run()
    assert (spark.requests, Extract(batch="c").output().require_intact().fault.file) == ([], "c.json")


def test_extract__leaves_the_fault_of_a_batch_that_left_meanwhile(place, spark):
    path = place.land("a.json", [1])
    place.land("b.json")
    spark.during = path.unlink
    Extract(batch="a/b").run()
    assert Extract(batch="a").output().require_intact().fault.file == "a.json"
    assert Extract(batch="b").output().require_intact().fault is None


def test_extract__reads_a_file_of_another_status_and_the_same_content_once(place, spark, monkeypatch):
    path = place.land("a.json", [1])
    Extract(batch="a").run()
    before = Extract(batch="a").output().require_intact()
    start_next_run(place, monkeypatch)
    path.rename(place.landing / "a.tmp")
    path.write_text("[1]")  # another inode
    read = []
    of_file = fingerprints.of_file
    monkeypatch.setattr(fingerprints, "of_file", lambda path: (read.append(path), of_file(path))[1])
    assert Extract(batch="a").complete()
    assert Extract(batch="a").output().require_intact() == before, "who only asks changes nothing"
    monkeypatch.setattr(lock, "_holder", os.getpid())
    place.forget_answers()
    assert Extract(batch="a").complete()
    after = Extract(batch="a").output().require_intact()
    assert replace(after, sources=before.sources) == before
    assert after.sources[0].inode == path.stat().st_ino
    read.clear()
    landing._hash_content.cache_clear()
    start_next_run(place, monkeypatch)
    assert Extract(batch="a").complete()
    assert path not in read
    assert len(spark.requests) == 1


def test_extract__is_stale_after_a_late_or_corrected_file_and_not_after_a_touched_one(place, spark, monkeypatch):
    path = place.land("a/1.json", [1])
    Extract(batch="a").run()
    start_next_run(place, monkeypatch)
    path.touch()
    assert Extract(batch="a").find_stale_reason() is None
    place.forget_answers()
    path.write_text("[2]")
    assert Extract(batch="a").find_stale_reason() == "its inputs changed"
    path.write_text("[1]")
    assert Extract(batch="a").find_stale_reason() is None
    place.forget_answers()
    place.land("a/2.json")
    assert Extract(batch="a").find_stale_reason() == "its inputs changed"


def test_extract__leaves_what_changed_after_it_was_read_to_the_next_run(place, spark, monkeypatch):
    path = place.land("a.json", [1])
    Extract(batch="a").run()
    path.write_text("[2]")
    assert Extract(batch="a").complete()
    start_next_run(place, monkeypatch)
    assert not Extract(batch="a").complete()


def test_extract__is_stale_after_a_change_of_code_or_settings(place, spark, monkeypatch):
    place.land("a.json")
    Extract(batch="a").run()
    start_next_run(place, monkeypatch)
    monkeypatch.setattr(config.read_section_once(config.landing), "max_unpacked_bytes", 1)
    assert Extract(batch="a").find_stale_reason() == "its settings changed"
    monkeypatch.setattr(fingerprints, "of_program", lambda entry, root: "other")
    assert Extract(batch="a").find_stale_reason() == "its code and settings changed"


def test_extract__is_stale_where_its_checkpoint_is_damaged(place, spark, monkeypatch):
    place.land("a.json")
    Extract(batch="a").run()
    folder = Extract(batch="a").output().folder
    (folder / "documents/000000.parquet").write_bytes(b"cut")
    assert Extract(batch="a").find_stale_reason() == "its file documents/000000.parquet is missing or has another size"
    (folder / "manifest.json").write_text("[]")
    assert Extract(batch="a").find_stale_reason() == "its manifest is missing or unreadable"


def test_extract__stays_up_to_date_once_its_batch_has_left_the_landing_folder(place, spark, monkeypatch):
    path = place.land("a.json")
    Extract(batch="a").run()
    path.unlink()
    start_next_run(place, monkeypatch)
    assert Extract(batch="a").complete()
    assert Extract(batch="never").find_stale_reason() == f"there is no batch never in {place.landing}"
