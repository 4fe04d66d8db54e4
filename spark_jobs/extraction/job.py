"""Extract: landing files to one Parquet row a document, everything still as text.

One request serves many batches. Each Spark task reads an assignment (some files, or a piece of a large one) and writes
it as one part of the checkpoint. The assignments of a broken file are read again, with care, so that the result names
the first broken file of each batch, and the place.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pyspark import SparkContext

from spark_jobs.engine import parallel, parquet_parts
from spark_jobs.engine.progress import Progress
from spark_jobs.extraction.assignments import Assignment, Outcome, assign_again, assign_files
from spark_jobs.extraction.file_formats import BatchFiles, recognize_files
from spark_jobs.extraction.parts import write_part
from spark_jobs.messages.jobs import (
    ExtractedBatch,
    ExtractRequest,
    ExtractResult,
    TableFacts,
    Tell,
    locate_outputs,
)
from spark_jobs.sources.catalog import Source as Format
from spark_jobs.sources.catalog import list_sources
from spark_jobs.storage import Location, is_uri, map_at_once


def run(spark: SparkContext, request: ExtractRequest, tell: Tell) -> ExtractResult:
    """Write the documents and records of all batches below their outputs, and say what was written."""
    outputs = locate_outputs(request)
    write = partial(_read_and_count, staging=Path(request.staging), outputs=outputs)
    formats = list_sources(request.source_tables)
    found = _recognize_all(request, formats)
    assignments = [
        assignment
        for number, (batch, of_batch) in enumerate(zip(request.batches, found, strict=True))
        for assignment in assign_files(number, batch.name, of_batch.files)
    ]
    outcomes = _read_all(spark, assignments, write, tell)
    broken = {outcome.assignment.first_path for outcome in outcomes if outcome.fault}
    if broken:
        again = assign_again([each for each in assignments if each.first_path in broken], outputs)
        outcomes = [outcome for outcome in outcomes if outcome.assignment.first_path not in broken]
        outcomes += _read_all(spark, again, write, tell)
    outcomes.sort(key=lambda outcome: outcome.assignment.number)
    of_batch = parallel.group_by_batch([outcome.assignment for outcome in outcomes], outcomes)
    return ExtractResult([_summarize_batch(files, of_batch.get(number, [])) for number, files in enumerate(found)])


def _recognize_all(request: ExtractRequest, formats: Sequence[Format]) -> list[BatchFiles]:
    """The files of each batch; those in a store many at a time, as it takes some time to answer."""
    is_remote = any(is_uri(file.path) for batch in request.batches for file in batch.files)
    recognize = partial(recognize_files, request=request, formats=formats)
    return map_at_once(recognize, request.batches) if is_remote else [recognize(batch) for batch in request.batches]


def _read_all(
    spark: SparkContext, assignments: list[Assignment], write: Callable[..., Outcome], tell: Tell
) -> list[Outcome]:
    files = sum(assignment.count_file_ends() for assignment in assignments)
    progress = Progress(spark, len(assignments), f"{{rows:,}} documents, {{files:,}} of {files:,} files")
    with progress.reported(tell):
        return parallel.run_on_each(spark, assignments, partial(write, progress=progress))


def _read_and_count(assignment: Assignment, staging: Path, outputs: Sequence[Location], progress: Progress) -> Outcome:
    outcome = write_part(assignment, staging, outputs[assignment.batch_no])
    progress.add(outcome.part.rows if outcome.part else 0, assignment.count_file_ends())
    return outcome


def _summarize_batch(files: BatchFiles, outcomes: list[Outcome]) -> ExtractedBatch:
    """A batch's rows and fingerprints, from its parts, its first broken file, and how often mapped paths were found."""
    return ExtractedBatch(
        documents=_summarize_table(outcomes, "documents"),
        records=_summarize_table(outcomes, "records"),
        found=_sum_found(outcomes),
        unknown_files=tuple(files.unknown),
        fault=next((outcome.fault for outcome in outcomes if outcome.fault), None),
    )


def _summarize_table(outcomes: list[Outcome], table: str) -> TableFacts:
    parts = [outcome.part for outcome in outcomes if outcome.assignment.table == table]
    return parquet_parts.summarize_table(part for part in parts if part)


def _sum_found(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    """By source and mapped path, how often the path was found."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        for source, paths in outcome.found.items():
            found.setdefault(source, Counter()).update(paths)
    return {source: dict(paths) for source, paths in found.items()}
