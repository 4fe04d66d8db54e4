"""The rows of CSV files, in bounded memory, each with its exact text and its place.

A row may stand on many lines, where its cells are quoted. A file can be read in pieces all the same: a piece whose last
row is not whole is broken, so if no piece of a file is, each of them began where a row does.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence

from spark_jobs.extraction.compression import Readable
from spark_jobs.extraction.csv_format import UNCLOSED_QUOTE, CsvFormat
from spark_jobs.extraction.errors import NOT_UTF8, BrokenFile
from spark_jobs.extraction.parsing import UTF8_BOM
from spark_jobs.extraction.source_record import SourceRecord
from spark_jobs.extraction.splitting import WHOLE_FILE, Piece

BLOCK_BYTES = 1 << 20
"""How much of a file is read at a time."""
NOT_CSV = "not_csv"
"""The rule by which a row is rejected that is not CSV in UTF-8."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_LINE_END = "\r\n"


def read_rows(
    stream: Readable, form: CsvFormat, names: Sequence[str], limit: int, piece: Piece = WHOLE_FILE
) -> Iterator[SourceRecord]:
    """The rows of a file, or of a piece to whose start the stream was brought, without the header and empty ones.

    The value of a row is its cells by `names`. One with a quote in a wrong place, or with bytes that are not UTF-8, has
    a fault. Raises BrokenFile at a quote that is not closed, and at a row of more than `limit` bytes.
    """
    csv.field_size_limit(max(limit, csv.field_size_limit()))
    lines = _Lines(_Utf16Stream(stream) if form.is_utf16 else stream, limit, piece)
    source = iter(lines)
    if piece.start == 0:
        for _ in range(form.lines_before):
            next(source, None)
        next(form.read_rows(source), None)
        lines.end_row()
    width = len(names)
    reader = form.read_rows(source)
    while True:
        try:
            for cells in reader:
                offset, text = lines.end_row()
                if lines.may_be_damaged and _NOT_UTF8.search(text):
                    yield _make_faulty(offset, text, NOT_UTF8)
                elif len(cells) == width:
                    yield SourceRecord(offset, text, dict(zip(names, cells)))  # noqa: B905 # they are as many
                elif cells:
                    yield SourceRecord(offset, text, cells)
            return
        except csv.Error as error:
            offset, text = lines.end_row()
            if str(error) == UNCLOSED_QUOTE:
                raise BrokenFile(
                    offset, "a quote is not closed: the file is cut short, or a quote within a cell is not doubled"
                ) from error
            yield _make_faulty(offset, text, str(error))


def _make_faulty(offset: int, text: str, reason: str) -> SourceRecord:
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return SourceRecord(offset, shown, None, NOT_CSV, reason)


class _Lines:
    """The lines of a stream for the parser, which takes as many as a row has.

    `may_be_damaged`: bytes that are not UTF-8 have been met; they are lone surrogates in the lines.
    """

    def __init__(self, stream: Readable, limit: int, piece: Piece) -> None:
        self._stream = stream
        self._limit = limit
        self._left = None if piece.end is None else piece.end - piece.start
        self._taken: list[str] = []
        self._row_start = piece.start
        self._read_to = piece.start
        self.may_be_damaged = False

    def end_row(self) -> tuple[int, str]:
        """The offset and the text of the row that the lines taken since the last call make up."""
        taken = self._taken
        text = taken[0] if len(taken) == 1 else "".join(taken)
        taken.clear()
        start = self._row_start
        self._row_start += len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
        return start, text.rstrip(_LINE_END)

    def __iter__(self) -> Iterator[str]:
        taken = self._taken
        for text in self._read_texts():
            for line in io.StringIO(text, newline=""):
                taken.append(line)
                yield line

    def _read_texts(self) -> Iterator[str]:
        """The stream's text, in parts that end where a line does."""
        rest = b""
        while block := self._read_block():
            if self._read_to == len(block) and block.startswith(UTF8_BOM):
                block = block[len(UTF8_BOM) :]
                self._row_start = len(UTF8_BOM)
            data = rest + block
            end = data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, len(data) - 1) + 1
            rest = data[end:]
            if end:
                yield self._decode(data[:end])
            if self._read_to - self._row_start > self._limit + BLOCK_BYTES:
                raise BrokenFile(
                    self._row_start,
                    f"a row is longer than the {self._limit:,} bytes that [landing] max_document_bytes allows, or a "
                    "quote is not closed",
                )
        if rest:
            yield self._decode(rest)

    def _read_block(self) -> bytes:
        wanted = BLOCK_BYTES if self._left is None else min(BLOCK_BYTES, self._left)
        block = self._stream.read(wanted) if wanted else b""
        self._read_to += len(block)
        if self._left is not None:
            self._left -= len(block)
        return block

    def _decode(self, data: bytes) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.may_be_damaged = True
            return data.decode("utf-8", "surrogateescape")


class _Utf16Stream:
    """A stream in UTF-16 as UTF-8. Offsets count in the latter."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._count = 0

    def read(self, size: int, /) -> bytes:
        text = ""
        while not text:
            chunk = self._stream.read(size)
            try:
                text = self._decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise BrokenFile(self._count, "not UTF-16, as its byte order mark says") from error
            if not chunk:
                break
            self._count += len(chunk)
        return text.encode("utf-8")

    def close(self) -> None:
        self._stream.close()
