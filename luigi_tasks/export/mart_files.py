"""Writes the rows of a mart, which COPY sends as CSV, to Parquet files, in bounded memory."""

import hashlib
import io
import json
import re
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import quote_ident

from luigi_tasks.errors import PipelineError
from luigi_tasks.export import lake
from luigi_tasks.export.columns import Column, list_columns, make_schema
from luigi_tasks.texts import format_line
from spark_jobs.storage import Location

ROW_GROUP_BYTES = 32 << 20
"""Of CSV: some 100,000 rows, which are in memory at once, as CSV, as columns and as Parquet."""
PART_BYTES = 1 << 30
"""After this many, rows go to a further file: stores copy objects of up to 5 GB, and several readers share the work."""
BYTE_ORDER_MARK = "\ufeff".encode()
"""Before each block of CSV: pyarrow drops the one that a text of the first row might begin with."""
FAULTY_COLUMN = re.compile(r"In CSV column #(\d+): ")
"""How pyarrow names a column of which it cannot read a value."""


@dataclass(frozen=True)
class ExportedFile:
    """A Parquet file of the export: its path below the folder of a version, and its rows, size and SHA-256."""

    path: str
    rows: int
    bytes: int
    sha256: str


def write_mart(cursor: Cursor, schema: str, mart: str, version: Location) -> list[ExportedFile]:
    """Write a mart, as a schema for readers shows it, to files below the folder of a version, and return them.

    Raises PipelineError for a value that its column's type has no room for, OSError where a file cannot be written.
    """
    columns = list_columns(cursor, schema, mart)
    selected = ", ".join(column.expression for column in columns)
    query = f"select {selected} from {schema}.{quote_ident(mart, cursor)}"
    try:
        with _MartWriter(version, mart, columns) as writer:
            cursor.copy_expert(f"copy ({query}) to stdout (format csv)", writer)
            return writer.finish()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        found = FAULTY_COLUMN.search(str(error))
        name = columns[int(found[1])].name if found else "?"
        fault = format_line(FAULTY_COLUMN.sub("", str(error)))
        raise PipelineError(
            f"{schema}.{mart}, column {name}: a value has no place in the column's type in Parquet ({fault}); "
            "the marts are published, and what was exported before stays; cast the column in its model, to text for "
            "example"
        ) from error


class _MartWriter:
    """What COPY writes the rows of a mart to."""

    def __init__(self, version: Location, mart: str, columns: Sequence[Column]) -> None:
        self._files: list[ExportedFile] = []
        self._version = version
        self._mart = mart
        self._columns = columns
        self._csv = bytearray(BYTE_ORDER_MARK)
        self._part: _Part | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file at work, where the mart could not be written as a whole."""
        if self._part:
            with suppress(OSError):
                self._part.finish()

    def write(self, row: bytes) -> None:
        """Take the CSV of a row. psycopg2 calls this for each."""
        self._csv += row
        if len(self._csv) >= ROW_GROUP_BYTES:
            self._write_row_group()

    def finish(self) -> list[ExportedFile]:
        """Write the rows that are left, and return all files. A mart without any rows has one, too."""
        if len(self._csv) > len(BYTE_ORDER_MARK) or not self._files:
            self._write_row_group()
        if self._part:
            self._finish_part(self._part)
        return self._files

    def _write_row_group(self) -> None:
        if self._part is None:
            path = f"{self._mart}/part-{len(self._files)}.parquet"
            self._part = _Part(self._version, path, make_schema(self._columns))
        self._part.write(_parse_csv(self._csv, self._columns))
        self._csv = bytearray(BYTE_ORDER_MARK)
        if self._part.size >= PART_BYTES:
            self._finish_part(self._part)

    def _finish_part(self, part: "_Part") -> None:
        self._files.append(part.finish())
        self._part = None


class _Part:
    """A Parquet file that is being written."""

    def __init__(self, version: Location, path: str, schema: pa.Schema) -> None:
        self._path = path
        self._rows = 0
        self._stack = ExitStack()
        self._sink = _DigestingSink(self._stack.enter_context(lake.create_file(version / path)))
        self._parquet = self._stack.enter_context(pq.ParquetWriter(self._sink, schema))

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._sink.size

    def write(self, rows: pa.Table) -> None:
        """Write rows as a row group."""
        if len(rows):
            self._parquet.write_table(rows, row_group_size=len(rows))
            self._rows += len(rows)

    def finish(self) -> ExportedFile:
        """Complete the file, and describe it."""
        self._stack.close()
        return ExportedFile(self._path, self._rows, self._sink.size, self._sink.digest.hexdigest())


class _DigestingSink(io.RawIOBase):
    """Passes on what is written to a file, with its size and digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)


def _parse_csv(csv: bytearray, columns: Sequence[Column]) -> pa.Table:
    """The rows of a block of CSV, in which null is nothing and an empty text is quoted."""
    if len(csv) == len(BYTE_ORDER_MARK):
        return make_schema(columns).empty_table()
    table = pv.read_csv(
        pa.BufferReader(pa.py_buffer(csv)),
        pv.ReadOptions(column_names=[column.name for column in columns], block_size=len(csv) + 1),
        pv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pv.ConvertOptions(
            column_types={column.name: pa.string() if column.is_list else column.type for column in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    for number, column in enumerate(columns):
        if column.is_list:
            values = [None if value is None else json.loads(value) for value in table.column(number).to_pylist()]
            table = table.set_column(number, column.name, pa.array(values, column.type))
    return table
