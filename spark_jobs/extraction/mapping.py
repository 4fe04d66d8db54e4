"""Mapping: the records of a landing file of another source than the native export become rows of the checkpoint."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from spark_jobs.extraction.assignments import FileFormat, Source
from spark_jobs.extraction.mapped_rows import build_plain_block, place_rows, settle_rows
from spark_jobs.extraction.plain_lines import LineBlocks
from spark_jobs.extraction.plain_records import Blocks
from spark_jobs.extraction.plain_rows import CsvBlocks
from spark_jobs.extraction.record_reading import SourceRecords, read_source_records, refuse_broken
from spark_jobs.extraction.source_record import SourceRecord
from spark_jobs.sources.columns import NotPlain, map_columns
from spark_jobs.sources.environment import Context
from spark_jobs.sources.heads import CSV, JSON_LINES
from spark_jobs.sources.recognition import name_columns
from spark_jobs.sources.simple_tables import list_members, may_map_columns

Row = dict[str, Any]
NOTHING_TO_LOAD = "nothing_to_load"
"""Why a record is skipped that says nothing about any user, post or comment."""


class MappedFile:
    """A file that a task maps: its rows, and how often each path of its source was found.

    Rows of one record of the source come together, with the length of its text.
    """

    def __init__(self, source: Source, file_format: FileFormat, batch: str, careful: bool) -> None:
        self._source = source
        self._format = file_format
        self._batch = batch
        self._careful = careful
        self._names = name_columns(file_format.head.columns)
        self._context: Context | None = None
        self._made: set[str] = set()

    def read_rows(self) -> Iterator[tuple[list[Row], int]]:
        """The rows of each record. Raises BrokenSource where the file is broken."""
        known = self._format.source
        found = self._open()
        arguments = (self._format.shared, found.enclosing, self._format.keeps_private)
        if known.needs_index:
            self._context = known.index((record.value for record in found.records if not record.fault), *arguments)
            found = self._open()
        else:
            self._context = known.start(*arguments)
        for record in found.records:
            yield self._map_record(record, self._context)

    def read_blocks(self) -> Iterator[pa.RecordBatch | tuple[list[Row], int]]:
        """The same, with whole blocks of RECORDS in place of the rows of plain records. Raises BrokenSource."""
        blocks = self._open_blocks()
        if blocks is None:
            yield from self.read_rows()
            return
        self._context = self._format.source.start(self._format.shared, {}, self._format.keeps_private)
        with refuse_broken(self._source), contextlib.closing(blocks):
            while not blocks.is_at_end:
                block = self._map_block(blocks, self._context)
                if block is not None:
                    yield block
                    continue
                for record in blocks.read_records():
                    yield self._map_record(record, self._context)

    def _open_blocks(self) -> Blocks | None:
        """The file's blocks, where both its table and its text are simple enough."""
        known, head = self._format.source, self._format.head
        if self._careful or not may_map_columns(known):
            return None
        if head.kind == CSV:
            return CsvBlocks.open(self._source, self._names, list_members(known))
        return LineBlocks.open(self._source, list_members(known)) if head.kind == JSON_LINES else None

    def _map_block(self, blocks: Blocks, context: Context) -> pa.RecordBatch | None:
        """The next block; None where its records have to be mapped one by one."""
        records = blocks.look_ahead()
        if records is None:
            return None
        known = self._format.source
        try:
            made = map_columns(known, records.members, context)
        except NotPlain:
            return None
        blocks.skip(records)
        self._made.update([rows.entity for rows in made])
        unknown = [] if known.known is None else sorted({*self._names} - known.known)
        return build_plain_block(made, self._batch, self._source.file, records.positions, known.platform, unknown)

    def _map_record(self, record: SourceRecord, context: Context) -> tuple[list[Row], int]:
        known = self._format.source
        if record.fault:
            rows = [known.make_rejected(record.fault, record.text)]
        else:
            rows = settle_rows(known.map(record.value, record.text, context))
            rows = rows or [known.make_skipped(NOTHING_TO_LOAD, "document")]
        self._made.update([row["entity"] for row in rows])
        return list(place_rows(rows, self._batch, self._source.file, record.offset)), len(record.text)

    def count_found(self) -> dict[str, int]:
        """How often each mapped path was found, once all rows have been read; of the entities that have any."""
        return self._format.source.count_found(self._context, self._made) if self._context else {}

    def _open(self) -> SourceRecords:
        head, known = self._format.head, self._format.source
        return read_source_records(self._source, head, self._names, known.records, careful=self._careful)
