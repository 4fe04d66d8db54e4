"""Mapping: the records of a landing file of another source than the native export become rows of the checkpoint."""

from collections.abc import Iterator
from typing import Any

from spark_jobs.extraction.assignments import FileFormat, Source
from spark_jobs.extraction.mapped_rows import place_rows, settle_rows
from spark_jobs.extraction.record_reading import SourceRecords, read_source_records
from spark_jobs.sources.environment import Context
from spark_jobs.sources.recognition import name_columns

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
            if record.fault:
                rows = [known.make_rejected(record.fault, record.text)]
            else:
                rows = settle_rows(known.map(record.value, record.text, self._context))
                rows = rows or [known.make_skipped(NOTHING_TO_LOAD, "document")]
            self._made.update([row["entity"] for row in rows])
            yield list(place_rows(rows, self._batch, self._source.file, record.offset)), len(record.text)

    def count_found(self) -> dict[str, int]:
        """How often each mapped path was found, once all rows have been read; of the entities that have any."""
        return self._format.source.count_found(self._context, self._made) if self._context else {}

    def _open(self) -> SourceRecords:
        head, known = self._format.head, self._format.source
        names = name_columns(head.columns)
        return read_source_records(self._source, head, names, known.records, careful=self._careful)
