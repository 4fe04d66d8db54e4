"""Extract: landing files to one Parquet row a document, everything still as text.

The request names the batches, each with its files in order, and the staging folder; the result says, for every
batch, what was read, or which file is broken and where. One request serves many batches: Spark hands the files, and
the pieces of large ones, to its tasks, and each writes what it reads as one part of the checkpoint.
"""

import gc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import SparkContext

from spark_jobs.engine import parallel, parquet_parts
from spark_jobs.engine.parquet_parts import Part, PartWriter
from spark_jobs.engine.progress import Progress
from spark_jobs.extraction.documents import Row, document_row
from spark_jobs.extraction.landing_files import (
    BLANKS,
    TOO_DEEP,
    WHOLE,
    BrokenFile,
    Piece,
    Text,
    array_elements,
    broken_by,
    open_export,
    parse,
    pieces,
    read_lines,
    read_texts,
)
from spark_jobs.messages.jobs import BatchToExtract, ExtractedBatch, ExtractRequest, ExtractResult, FileFault, Tell
from spark_jobs.schemas import DOCUMENTS, NOT_JSON

ROWS_A_BLOCK = 1_000
BYTES_A_BLOCK = 4 << 20
TOGETHER_BYTES = 2 << 20
"""Up to this size files are read by one task; compressed ones unpack to several times as much."""


@dataclass(frozen=True)
class Source:
    """What is read of a landing file: all of it, or a piece; and how many bytes it may unpack to (None: any number)."""

    file: str
    path: Path
    piece: Piece = WHOLE
    max_unpacked_bytes: int | None = None


@dataclass(frozen=True)
class Assignment:
    """What one task reads, in order, for the part that it writes. Only a careful one tells what is wrong with a file,
    and where; that takes twice the time."""

    batch_no: int
    batch: str
    number: int
    sources: tuple[Source, ...]
    careful: bool = False

    def path(self, staging: Path) -> Path:
        return staging / f"batch_no={self.batch_no}" / "documents" / f"{self.number:06}.parquet"


@dataclass(frozen=True)
class Outcome:
    """What came of an assignment: the part (None where there is no document), or the first broken file."""

    assignment: Assignment
    part: Part | None
    fault: dict[str, Any] | None


def run(spark: SparkContext, request: ExtractRequest, tell: Tell) -> ExtractResult:
    """Write the documents of all batches below `staging`, as `batch_no=N/documents`, and say what was written."""
    staging = Path(request.staging)
    limit = request.max_unpacked_bytes
    assigned = [one for number, batch in enumerate(request.batches) for one in assignments(number, batch, limit)]
    outcomes = _read_all(spark, assigned, staging, tell)
    failed = {outcome.assignment.sources[0].path for outcome in outcomes if outcome.fault}
    if failed:
        again = _carefully([one for one in assigned if one.sources[0].path in failed], staging)
        outcomes = [outcome for outcome in outcomes if outcome.assignment.sources[0].path not in failed]
        outcomes += _read_all(spark, again, staging, tell)
    outcomes.sort(key=lambda outcome: outcome.assignment.number)
    of_batch = parallel.group_by_batch([outcome.assignment for outcome in outcomes], outcomes)
    return ExtractResult([_summarize_batch(of_batch.get(number, [])) for number in range(len(request.batches))])


def assignments(batch_no: int, batch: BatchToExtract, max_unpacked_bytes: int | None) -> list[Assignment]:
    """The files of a batch, divided: a large one into pieces, small ones put together."""
    groups: list[list[Source]] = []
    room = 0
    for file in batch.files:
        path = Path(file.path)
        cut = [Source(file.name, path, piece, max_unpacked_bytes) for piece in pieces(path)]
        if groups and len(cut) == 1 and (size := _size(path)) <= room:
            groups[-1] += cut
            room -= size
        else:
            groups.extend([source] for source in cut)
            room = 0 if len(cut) > 1 else TOGETHER_BYTES - _size(path)
    return [Assignment(batch_no, batch.name, number, tuple(group)) for number, group in enumerate(groups)]


def read(assignment: Assignment, staging: Path) -> Outcome:
    """Do an assignment: what each task runs. Rows do not refer to one another, so no garbage needs to be looked for."""
    gc.disable()
    path = assignment.path(staging)
    try:
        with PartWriter(staging, path, DOCUMENTS) as writer:
            for block in _blocks(assignment):
                writer.write(block)
    except BrokenSource as broken:
        return Outcome(assignment, None, broken.as_json())
    return Outcome(assignment, parquet_parts.look(path), None)


class BrokenSource(Exception):
    """A file that is broken as a whole, by its name in the batch."""

    def __init__(self, source: Source, offset: int, reason: str) -> None:
        super().__init__(f"{source.file}: at byte {offset:,}: {reason}")
        self._facts = {"file": source.file, "byte_offset": offset, "reason": reason}

    def as_json(self) -> dict[str, Any]:
        return self._facts


def _read_all(spark: SparkContext, assigned: list[Assignment], staging: Path, tell: Tell) -> list[Outcome]:
    files = sum(_ends(one) for one in assigned)
    progress = Progress(spark, len(assigned), f"{{rows:,}} documents, {{files:,}} of {files:,} files")
    with progress.reported(tell):
        return parallel.run_on_each(spark, assigned, partial(_read_and_count, staging=staging, progress=progress))


def _read_and_count(assignment: Assignment, staging: Path, progress: Progress) -> Outcome:
    outcome = read(assignment, staging)
    progress.add(outcome.part.rows if outcome.part else 0, _ends(assignment))
    return outcome


def _ends(assignment: Assignment) -> int:
    """How many files end in what an assignment reads."""
    return sum(source.piece.end is None for source in assignment.sources)


def _carefully(assigned: list[Assignment], staging: Path) -> list[Assignment]:
    """The same once more, and the files that were cut as a whole."""
    for one in assigned:
        one.path(staging).unlink(missing_ok=True)
    return [
        replace(one, careful=True, sources=tuple(replace(source, piece=WHOLE) for source in one.sources))
        for one in assigned
        if one.sources[0].piece.start == 0
    ]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _blocks(assignment: Assignment) -> Iterator[pa.RecordBatch]:
    """The rows of all sources, in blocks that are small enough to be held several times over."""
    rows: list[Row] = []
    size = 0
    for source in assignment.sources:
        where = {"batch": assignment.batch, "file": source.file}
        for row, length in read_documents(source, assignment.careful):
            rows.append(where | row)
            size += length
            if len(rows) >= ROWS_A_BLOCK or size >= BYTES_A_BLOCK:
                yield pa.RecordBatch.from_pylist(rows, DOCUMENTS)
                rows, size = [], 0
    yield pa.RecordBatch.from_pylist(rows, DOCUMENTS)


def read_documents(source: Source, careful: bool = True) -> Iterator[tuple[Row, int]]:
    """The rows of a source, each with the length of its text. Raises BrokenSource where the file is broken."""
    try:
        elements = None if careful else array_elements(source.path, source.piece)
        if elements is not None:
            for offset, text, value in elements:
                yield document_row(value, text) | {"position": offset}, len(text)
            return
        with open_export(source.path, source.max_unpacked_bytes) as stream:
            for line in read_texts(stream) if source.piece == WHOLE else read_lines(stream, source.piece):
                yield _row(line) | {"position": line.offset}, len(line.content)
    except BrokenFile as broken:
        raise BrokenSource(source, broken.offset, broken.reason) from broken
    except RecursionError as error:
        raise BrokenSource(source, source.piece.start, TOO_DEEP) from error
    except OSError as error:
        raise BrokenSource(source, 0, f"cannot be read ({error.strerror})") from error


def _row(text: Text) -> Row:
    try:
        value = parse(text.content)
        return document_row(value, text.content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        fault = ValueError(TOO_DEEP) if isinstance(error, RecursionError) else error
        if not text.is_line:
            raise broken_by(fault, text.content, text.offset, "document") from error
        raw = text.content.decode("utf-8", "backslashreplace").strip(BLANKS.decode())
        return {"fault": NOT_JSON, "reason": str(fault), "raw": raw}


def _summarize_batch(outcomes: list[Outcome]) -> ExtractedBatch:
    """A batch's rows and fingerprint, from its parts, and its first broken file."""
    return ExtractedBatch(
        documents=parquet_parts.table_facts(outcome.part for outcome in outcomes if outcome.part),
        fault=next((FileFault(**outcome.fault) for outcome in outcomes if outcome.fault), None),
    )
