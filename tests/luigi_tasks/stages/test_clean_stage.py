"""Clean alone: what makes its checkpoint stale, what it asks of Spark, and what it leaves. Spark is a stand-in."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luigi_tasks import config, fingerprints
from luigi_tasks.errors import PipelineError
from luigi_tasks.spark import jobs
from luigi_tasks.stages.clean import Clean
from luigi_tasks.targets.checkpoint import extract_checkpoint
from spark_jobs.messages import (
    CleanCounts,
    CleanedBatch,
    CleanRequest,
    CleanResult,
    EntityOutcome,
    FileFault,
    TableFacts,
)
from spark_jobs.schemas import CHECKPOINT_TABLES, TABLES

FAULT = FileFault("a.json", 3, "the array is cut short")
CLEANED = {table: TableFacts(0, "0") for table in TABLES} | {"users": TableFacts(2, "f")}
COUNTS = CleanCounts(
    {"documents": 3},
    {
        "document": {"accepted": EntityOutcome(3, "", {})},
        "user": {"accepted": EntityOutcome(2, "f", {}), "superseded": EntityOutcome(1, "s", {})},
        "post": {},
        "comment": {},
    },
    [],
)


class StandIn:
    """Answers as the job of Spark does: two users and a superseded one of each batch."""

    def __init__(self) -> None:
        self.requests: list[CleanRequest] = []

    def __call__(self, request: CleanRequest, tell: Callable[..., None]) -> CleanResult:
        self.requests.append(request)
        for number in range(len(request.batches)):
            for table, users in (("users", ["u1", "u2"]), ("superseded/users", ["u1"])):
                part = Path(request.staging) / f"batch_no={number}" / table / "000000.parquet"
                part.parent.mkdir(parents=True)
                rows = [{"user_id": user} for user in users]
                pq.write_table(pa.Table.from_pylist(rows, CHECKPOINT_TABLES["users"]), part)
        return CleanResult([CleanedBatch(COUNTS, CLEANED) for _ in request.batches])


@pytest.fixture
def spark(monkeypatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(jobs, "run_clean", stand_in)
    return stand_in


def test_clean__leaves_a_checkpoint_of_each_batch(place, spark):
    for batch in ("a", "b"):
        place.leave_extract(batch, content=f"content of {batch}")
    Clean(batch="a/b").run()
    [request] = spark.requests
    assert (request.impute_age, request.fill_in_users) == (False, False)
    folders = [str(extract_checkpoint(batch).folder / "documents") for batch in ("a", "b")]
    assert [(batch.name, batch.paths) for batch in request.batches] == [("a", [folders[0]]), ("b", [folders[1]])]
    manifest = Clean(batch="b").output().require_intact()
    assert [file.path for file in manifest.files] == ["superseded/users/000000.parquet", "users/000000.parquet"]
    assert (manifest.tables, manifest.counts) == (CLEANED, COUNTS)
    assert manifest.built_from["inputs"] == "content of b"
    assert Clean(batch="b").check_target() is None


def test_clean__gives_spark_no_folder_of_an_empty_batch(place, spark):
    place.leave_extract("a", documents=0)
    Clean(batch="a").run()
    assert spark.requests[0].batches[0].paths == []


def test_clean__passes_the_fault_of_a_broken_file_on_without_spark(place, spark):
    place.land("a.json")
    place.leave_extract("a", fault=FAULT, content="one fault")
    Clean(batch="a").run()
    before = Clean(batch="a").output().require_intact()
    assert (spark.requests, before.fault, before.counts, before.files) == ([], FAULT, None, [])
    place.leave_extract("a", fault=FAULT, content="another")
    Clean(batch="a").run()
    assert Clean(batch="a").output().require_intact().content != before.content


def test_clean__names_a_damaged_file_and_leaves_what_was_there(place, spark):
    place.leave_extract("a")
    part = extract_checkpoint("a").folder / "documents/part.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    with pytest.raises(
        PipelineError, match=r"checkpoint .*/extract/a: documents/part.parquet is not what its manifest"
    ):
        Clean(batch="a").run()
    assert spark.requests == []


def test_clean__is_stale_after_a_change_of_documents_code_or_settings(place, spark, monkeypatch):
    place.land("a.json")
    place.leave_extract("a")
    assert Clean(batch="a").check_target() == "its checkpoint is missing"
    Clean(batch="a").run()
    assert Clean(batch="a").check_target() is None
    place.leave_extract("a", content="other")
    assert Clean(batch="a").check_target() == "its inputs changed"
    monkeypatch.setattr(config.read_section_once(config.quality), "fill_missing_age", "median")
    assert Clean(batch="a").check_target() == "its inputs and settings changed"
    Clean(batch="a").run()
    monkeypatch.setattr(config.read_section_once(config.quality), "partial_users", "fill_in")
    assert Clean(batch="a").check_target() == "its settings changed"
    Clean(batch="a").run()
    assert [(each.impute_age, each.fill_in_users) for each in spark.requests] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    place.leave_extract("a", content="third")
    monkeypatch.setattr(config.read_section_once(config.quality), "partial_users", "replace")
    monkeypatch.setattr(fingerprints, "of_program", lambda entry, root: "other")
    assert Clean(batch="a").check_target() == "its inputs and code and settings changed"
