"""Plain rows: CSV that Arrow's reader turns into columns at once, without a Python value for each cell.

What it reads, the strict reader (`csv_rows`) would read as the same. A block is plain where every quote opens or closes
a cell or is doubled, every row is as wide as the header, and all is UTF-8. The strict reader reads what is not, and it
says where the next row begins.
"""

import io
from collections.abc import Collection, Iterator, Sequence
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv

from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.compression import PACKED_MAGICS, open_regular_file
from spark_jobs.extraction.csv_format import CsvFormat
from spark_jobs.extraction.csv_rows import read_rows
from spark_jobs.extraction.heads import read_csv_format
from spark_jobs.extraction.plain_blocks import read_piece
from spark_jobs.extraction.plain_records import BLOCK_BYTES, LINE_FEED, Blocks, PlainRecords
from spark_jobs.extraction.source_record import SourceRecord
from spark_jobs.extraction.splitting import Piece
from spark_jobs.schemas import TEXT
from spark_jobs.sources.columns import Members

FIRST_BLOCK_BYTES = 4096
"""What is left to the strict reader of the first block, which has the header in it."""
QUOTE, CARRIAGE_RETURN = b'"\r'


class CsvBlocks(Blocks):
    """The rows of a CSV file, of which some columns are wanted. A blank cell is a member that is not there."""

    def __init__(self, source: Source, content: bytes, form: CsvFormat, names: list[str], wanted: list[str]) -> None:
        self._source = source
        self._content = content
        self._place = 0
        self._form = form
        self._names = names
        self._wanted = wanted
        self._bytes = np.frombuffer(content, np.uint8)

    @classmethod
    def open(cls, source: Source, names: Sequence[str], wanted: Collection[str]) -> Self | None:
        """The blocks of a source whose columns have these names, of which some are wanted; None where it cannot have
        plain rows. If it cannot be opened, its reader will say why."""
        if source.member or source.fault:
            return None
        try:
            with open_regular_file(source.path, source.folder) as file:
                is_packed = file.read(max(map(len, PACKED_MAGICS))).startswith(PACKED_MAGICS)
                file.seek(0)
                content = None if is_packed else read_piece(file, source.piece)
                file.seek(0)
                form = read_csv_format(file) if content else None
        except OSError:
            return None
        if form is None or content is None or form.is_utf16 or form.skips_blanks or len(form.columns) != len(names):
            return None
        return cls(source, content, form, list(names), [name for name in names if name in wanted])

    @property
    def is_at_end(self) -> bool:
        """Whether all rows have been read."""
        return self._place >= len(self._content)

    @property
    def _offset(self) -> int:
        """Where in the file the next row starts."""
        return self._source.piece.start + self._place

    def skip(self, records: PlainRecords) -> None:
        """Go on after these rows."""
        self._place += records.size

    def close(self) -> None:
        """Nothing is open."""

    def look_ahead(self) -> PlainRecords | None:
        """The next rows; None where they are not plain, and at the beginning of the file."""
        ends = self._find_row_ends()
        if not self._offset or not len(ends):
            return None
        starts = np.concatenate(([0], ends[:-1]))
        size = int(ends[-1])
        if int((ends - starts).max()) > self._source.max_document_bytes:
            return None
        columns = self._read_columns(self._content[self._place : self._place + size], len(ends))
        if columns is None:
            return None
        return PlainRecords(starts + self._offset, Members(len(ends), columns, self._names.__contains__), size)

    def read_records(self) -> Iterator[SourceRecord]:
        """The same rows, by the strict reader: up to the first that starts after a block. Raises BrokenFile."""
        begin = self._offset
        block = BLOCK_BYTES if begin else FIRST_BLOCK_BYTES
        stream = io.BytesIO(self._content)
        stream.seek(self._place)
        piece = Piece(begin, self._source.piece.end)
        self._place = len(self._content)
        for record in read_rows(stream, self._form, self._names, self._source.max_document_bytes, piece):
            if record.offset >= begin + block:
                self._place = record.offset - self._source.piece.start
                return
            yield record

    def _find_row_ends(self) -> np.ndarray:
        """Where the rows of the next block end, from its start; none where a quote or a line end is not plain."""
        nothing = np.empty(0, np.int64)
        block = self._bytes[self._place : self._place + BLOCK_BYTES]
        is_last = self._place + len(block) == len(self._content)
        ends = np.flatnonzero(block == LINE_FEED)
        quotes = nothing if self._form.is_unquoted else np.flatnonzero(block == QUOTE)
        if len(quotes):
            ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
        ends = ends + 1
        if is_last and len(block) and not (len(ends) and ends[-1] == len(block)):
            ends = np.append(ends, len(block))
        if not len(ends):
            return nothing
        size = int(ends[-1])
        returns = np.flatnonzero(block[:size] == CARRIAGE_RETURN)
        if len(returns) and (returns[-1] + 1 == size or not (block[returns + 1] == LINE_FEED).all()):
            return nothing
        return ends if self._are_quotes_plain(block[:size], quotes[quotes < size]) else nothing

    def _are_quotes_plain(self, block: np.ndarray, quotes: np.ndarray) -> bool:
        """Whether each quote opens or closes a cell, or is doubled within one."""
        if len(quotes) % 2:
            return False
        opening, closing = quotes[0::2], quotes[1::2]
        delimiter = ord(self._form.delimiter)
        before = np.where(opening > 0, block[opening - 1], LINE_FEED)
        after = np.where(closing + 1 < len(block), block[np.minimum(closing + 1, len(block) - 1)], LINE_FEED)
        begins = np.isin(before, [delimiter, LINE_FEED, QUOTE])
        return bool(begins.all() and np.isin(after, [delimiter, LINE_FEED, CARRIAGE_RETURN, QUOTE]).all())

    def _read_columns(self, block: bytes, count: int) -> dict[str, pa.StringArray] | None:
        """The wanted columns of a block of so many rows; None where it has others."""
        if b"\0" in block:
            return None
        try:
            block.decode("utf-8")  # also the columns that are not wanted
            table = pv.read_csv(
                pa.py_buffer(block),
                pv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=self._names),
                pv.ParseOptions(
                    delimiter=self._form.delimiter,
                    quote_char=False if self._form.is_unquoted else '"',
                    newlines_in_values=not self._form.is_unquoted,
                ),
                pv.ConvertOptions(
                    include_columns=self._wanted,
                    column_types=dict.fromkeys(self._wanted, TEXT),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        except (UnicodeDecodeError, pa.ArrowInvalid):
            return None
        if len(table) != count:
            return None
        return {name: table[name].combine_chunks() for name in self._wanted}
