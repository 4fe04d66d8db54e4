"""Extract: landing files to one Parquet row a document, everything still as text.

The request names the batches, each with its files in order, and the staging folder; the result says, for every
batch, what was read, or which file is broken and where. One request serves many batches: Spark hands the files, and
the pieces of large ones, to its tasks, and each writes what it reads as one part of the checkpoint.
"""

from functools import partial
from pathlib import Path
from typing import Any

from pyspark import SparkContext

from spark_jobs.engine import parallel, parquet_parts
from spark_jobs.engine.progress import Progress
from spark_jobs.engine.request_server import Tell
from spark_jobs.extraction.assignments import Assignment, Outcome
from spark_jobs.extraction.assignments import assign_again as _carefully
from spark_jobs.extraction.assignments import assign_files as assignments
from spark_jobs.extraction.reading import read_assignment


def run(spark: SparkContext, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Write the documents of all batches below `staging`, as `batch_no=N/documents`, and say what was written."""
    staging = Path(request["staging"])
    limit = request["settings"]["max_unpacked_bytes"]
    assigned = [one for number, batch in enumerate(request["batches"]) for one in assignments(number, batch, limit)]
    outcomes = _read_all(spark, assigned, staging, tell)
    failed = {outcome.assignment.sources[0].path for outcome in outcomes if outcome.fault}
    if failed:
        again = _carefully([one for one in assigned if one.sources[0].path in failed], staging)
        outcomes = [outcome for outcome in outcomes if outcome.assignment.sources[0].path not in failed]
        outcomes += _read_all(spark, again, staging, tell)
    outcomes.sort(key=lambda outcome: outcome.assignment.number)
    of_batch = parallel.by_batch([outcome.assignment for outcome in outcomes], outcomes)
    return {"batches": [_summary(of_batch.get(number, [])) for number in range(len(request["batches"]))]}


def _read_all(spark: SparkContext, assigned: list[Assignment], staging: Path, tell: Tell) -> list[Outcome]:
    files = sum(one.count_file_ends() for one in assigned)
    progress = Progress(spark, len(assigned), f"{{rows:,}} documents, {{files:,}} of {files:,} files")
    with progress.told(tell):
        return parallel.spread(spark, assigned, partial(_read_and_count, staging=staging, progress=progress))


def _read_and_count(assignment: Assignment, staging: Path, progress: Progress) -> Outcome:
    outcome = read_assignment(assignment, staging)
    progress.add(outcome.part.rows if outcome.part else 0, assignment.count_file_ends())
    return outcome


def _summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """A batch's rows and fingerprint, from its parts, and its first broken file."""
    return {
        "tables": {"documents": parquet_parts.table_facts(outcome.part for outcome in outcomes if outcome.part)},
        "fault": next((outcome.fault for outcome in outcomes if outcome.fault), None),
    }
