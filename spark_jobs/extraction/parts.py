"""Parts: what each task of Extract writes, documents of the native export or mapped records of other sources."""

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from spark_jobs.engine.parquet_parts import PartWriter, describe_part
from spark_jobs.extraction.assignments import Assignment, Outcome
from spark_jobs.extraction.mapped_rows import build_block
from spark_jobs.extraction.mapping import MappedFile
from spark_jobs.extraction.plain_blocks import read_plain_blocks
from spark_jobs.extraction.reading import BrokenSource, Row, read_documents
from spark_jobs.schemas import DOCUMENTS, EXTRACT_TABLES
from spark_jobs.storage import Location

ROWS_PER_BLOCK = 1_000
MAPPED_PER_BLOCK = 5_000
BYTES_PER_BLOCK = 4 << 20
"""A block of rows is small enough to be in memory several times over."""
Found = dict[str, Counter[str]]
"""By source and mapped path, how often it was found."""


def write_part(assignment: Assignment, staging: Path, output: Location) -> Outcome:
    """Write the part of an assignment below its batch's output; runs in a Spark task.

    The garbage collector stays off: rows do not refer to one another, and there are millions of values.
    """
    gc.disable()
    path = assignment.path(output)
    found: Found = {}
    blocks = _read_documents(assignment) if assignment.table == "documents" else _map_records(assignment, found)
    try:
        with PartWriter(staging, path, EXTRACT_TABLES[assignment.table]) as writer:
            for block in blocks:
                writer.write(block)
    except BrokenSource as broken:
        return Outcome(assignment, None, broken.fault)
    return Outcome(assignment, describe_part(path), None, found)


def _read_documents(assignment: Assignment) -> Iterator[pa.RecordBatch]:
    rows: list[Row] = []
    size = 0
    for source in assignment.sources:
        where = {"batch": assignment.batch, "file": source.file}
        for block in (source,) if assignment.careful else read_plain_blocks(source, assignment.batch):
            if isinstance(block, pa.RecordBatch):
                yield from (pa.RecordBatch.from_pylist(rows, DOCUMENTS), block)
                rows, size = [], 0
                continue
            for row, length in read_documents(block, assignment.careful):
                rows.append(where | row)
                size += length
                if len(rows) >= ROWS_PER_BLOCK or size >= BYTES_PER_BLOCK:
                    yield pa.RecordBatch.from_pylist(rows, DOCUMENTS)
                    rows, size = [], 0
    yield pa.RecordBatch.from_pylist(rows, DOCUMENTS)


def _map_records(assignment: Assignment, found: Found) -> Iterator[pa.RecordBatch]:
    """The blocks of mapped records; adds to `found` how often each path was."""
    rows: list[Row] = []
    size = 0
    for source in assignment.sources:
        assert source.format is not None
        file = MappedFile(source, source.format, assignment.batch, assignment.careful)
        for block in file.read_blocks():
            if isinstance(block, pa.RecordBatch):
                yield from (build_block(rows), block)
                rows, size = [], 0
                continue
            of_record, length = block
            rows += of_record
            size += length
            if len(rows) >= MAPPED_PER_BLOCK or size >= BYTES_PER_BLOCK:
                yield build_block(rows)
                rows, size = [], 0
        found.setdefault(source.format.source.name, Counter()).update(file.count_found())
    yield build_block(rows)
