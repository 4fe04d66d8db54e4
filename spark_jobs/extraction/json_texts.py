"""The JSON texts of a landing file: exact, in bounded memory, with the place of any damage.

A file is one JSON array of documents, one document, or JSON Lines; UTF-8 with or without a byte order mark. Which of
them it is, is read from its content. A bad line of JSON Lines is one bad record; an array or a single document that
is not valid JSON is a broken file. So is one that says nothing: an export without records is an empty array.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from spark_jobs.extraction.brackets import find_documents
from spark_jobs.extraction.errors import BrokenFile, describe_parse_error
from spark_jobs.extraction.javascript import find_assignment
from spark_jobs.extraction.other_formats import describe_text, make_format_error, refuse_other_formats
from spark_jobs.extraction.parsing import BLANKS, UTF8_BOM, is_json, parse_json, parse_value_at
from spark_jobs.extraction.splitting import WHOLE_FILE, Piece
from spark_jobs.messages.jobs import MAX_DOCUMENT_BYTES

CHUNK_BYTES = 8 << 20
"""How much of a file is read at a time, if its documents are not longer."""
_PLACEHOLDER = b"{}"
"""Stands for a document where only its surroundings are parsed. A number could become part of its neighbour."""
_GAP = re.compile(r"[ \t\n\r,]*")


@dataclass(frozen=True)
class JsonText:
    """The text of one document: its offset in the unpacked file (bytes), its bytes, and whether it is a line, whose
    faults break this record only, and not the whole file."""

    offset: int
    content: bytes
    is_line: bool


def read_texts(stream: BinaryIO, max_document_bytes: int = MAX_DOCUMENT_BYTES) -> Iterator[JsonText]:
    """The texts of all documents of a file, in order. Raises BrokenFile at the place of the damage, and at a document
    that is longer than the limit."""
    window = Window(stream, WHOLE_FILE, max_document_bytes)
    window.skip_byte_order_mark()
    first = window.skip_blanks()
    if first is None:
        raise BrokenFile(0, "nothing is in it; an export without records is []")
    if first == b"[":
        window.drop(1)
        yield from _read_array(window)
    elif _is_single_document(window):
        yield JsonText(window.start, window.data.rstrip(BLANKS), is_line=False)
    else:
        yield from _read_lines(window)


def read_assigned_texts(stream: BinaryIO, max_document_bytes: int = MAX_DOCUMENT_BYTES) -> Iterator[JsonText]:
    """The elements of the array that a JavaScript file assigns, or the object. Raises BrokenFile as `read_texts`."""
    window = Window(stream, WHOLE_FILE, max_document_bytes)
    window.grow()
    assignment = find_assignment(window.data)
    if assignment is None:
        raise make_format_error("a JavaScript program")
    _, start = assignment
    window.drop(start)
    if window.data.startswith(b"["):
        window.drop(1)
        yield from _read_array(window, end_mark=b";")
        return
    while not window.is_at_end:
        window.grow()
    content = window.data.rstrip(BLANKS).removesuffix(b";").rstrip(BLANKS)
    yield JsonText(window.start, content, is_line=False)


def read_lines(stream: BinaryIO, piece: Piece, max_document_bytes: int = MAX_DOCUMENT_BYTES) -> Iterator[JsonText]:
    """The texts of all lines of a piece of JSON Lines, in order. Raises BrokenFile as `read_texts` does."""
    stream.seek(piece.start)
    window = Window(stream, piece, max_document_bytes)
    if piece.start == 0:
        window.skip_byte_order_mark()
    yield from _read_lines(window)


def list_lines(lines: Iterable[bytes], offset: int) -> Iterator[JsonText]:
    """The texts of lines, of which the first starts at a byte of the file; those of blanks are none."""
    for line in lines:
        if content := line.strip(BLANKS):
            yield JsonText(offset + line.index(content[:1]), content, is_line=True)
        offset += len(line) + 1


class Window:
    """The part of a stream that is in memory: `data`, whose first byte has the offset `start` in the stream. It holds
    one document of `limit` bytes, and what stands before it."""

    def __init__(self, stream: BinaryIO, piece: Piece, limit: int) -> None:
        self._stream = stream
        self._end = piece.end
        self.limit = limit
        self.data = b""
        self.start = piece.start
        self.is_at_end = False

    def grow(self) -> None:
        """Read on. A window that does not hold a whole document doubles, so that the time stays linear.

        Raises BrokenFile where it is longer than a document may be.
        """
        if self.is_full():
            raise BrokenFile(
                self.start,
                f"a document is longer than the {self.limit:,} bytes that [landing] max_document_bytes allows",
            )
        wanted = min(max(CHUNK_BYTES, len(self.data)), self.limit + CHUNK_BYTES - len(self.data))
        if self._end is not None:
            wanted = min(wanted, self._end - self.start - len(self.data))
        chunk = self._stream.read(wanted)
        self.is_at_end = not chunk
        self.data += chunk

    def is_full(self) -> bool:
        """Whether the window holds a longer document than there may be, if it holds none whole."""
        return len(self.data) >= self.limit + CHUNK_BYTES

    def drop(self, count: int) -> None:
        """Drop bytes from the beginning."""
        self.data = self.data[count:]
        self.start += count

    def skip_byte_order_mark(self) -> None:
        """Begin to read, and drop the mark of UTF-8. Raises BrokenFile for that of UTF-16, and for other formats."""
        self.grow()
        refuse_other_formats(self.data)
        if self.data.startswith(UTF8_BOM):
            self.drop(len(UTF8_BOM))

    def skip_blanks(self) -> bytes | None:
        """Drop leading blanks; the first byte after them, None at the end of the stream."""
        while True:
            self.drop(len(self.data) - len(self.data.lstrip(BLANKS)))
            if self.data or self.is_at_end:
                return self.data[:1] or None
            self.grow()


def _is_single_document(window: Window) -> bool:
    """Whether the file is one document over many lines, and not JSON Lines. Raises BrokenFile where it is neither.

    A first line that is valid JSON settles it. If not, the whole file is read: as one document, or, where a later
    line is a document by itself, as lines of which the first is bad.
    """
    while b"\n" not in window.data and not window.is_at_end:
        window.grow()
    if is_json(window.data.split(b"\n", 1)[0]):
        return False
    while not window.is_at_end and not window.is_full():
        window.grow()
    if not window.is_at_end:
        if not _has_document_line(window.data):
            window.grow()  # says that it is too long
        return False
    content = window.data.rstrip(BLANKS)
    try:
        parse_json(content)
    except ValueError as error:
        if _has_document_line(content):
            return False
        if not content.startswith((b"{", b"[")):
            raise make_format_error(describe_text(content)) from error
        raise describe_parse_error(error, content, window.start, "document") from error
    return True


def _has_document_line(content: bytes) -> bool:
    """Whether a line after the first is a document by itself."""
    return any(line.startswith(b"{") and is_json(line) for line in content.split(b"\n")[1:])


def _read_lines(window: Window) -> Iterator[JsonText]:
    while True:
        *lines, rest = window.data.split(b"\n")
        if window.is_at_end:
            lines.append(rest)
        yield from list_lines(lines, window.start)
        if window.is_at_end:
            return
        window.drop(len(window.data) - len(rest))
        window.grow()


def _read_array(window: Window, end_mark: bytes = b"") -> Iterator[JsonText]:
    """The elements of an array whose opening bracket has been dropped, and after which a mark may stand."""
    has_previous = False
    while True:
        starts, ends, array_end = find_documents(window.data)
        done = 0
        for start, end in zip(starts, ends, strict=True):
            gap = window.data[done:start]
            yield from _read_gap(gap, window.start + done, has_previous, has_next=True)
            yield JsonText(window.start + start, window.data[start:end], is_line=False)
            done, has_previous = end, True
        if array_end is not None:
            gap = window.data[done:array_end]
            yield from _read_gap(gap, window.start + done, has_previous, has_next=False)
            window.drop(array_end + 1)
            _require_end(window, end_mark)
            return
        window.drop(done)
        window.grow()
        if window.is_at_end:
            raise _describe_missing_end(window.data, window.start, has_previous)


def _read_gap(gap: bytes, offset: int, has_previous: bool, has_next: bool) -> Iterator[JsonText]:
    """The elements between two objects of an array: usually none, only a comma. Raises BrokenFile for anything but
    JSON values and commas."""
    stripped = gap.strip(BLANKS)
    if stripped == (b"," if has_previous and has_next else b""):
        return
    try:
        parse_json(b"[" + _PLACEHOLDER * has_previous + gap + _PLACEHOLDER * has_next + b"]")
    except ValueError as error:
        raise BrokenFile(offset, "not valid JSON between two documents of the array") from error
    text = gap.decode("utf-8")
    place = _skip_commas(text, 0)
    while place < len(text):
        _, end = parse_value_at(text, place)
        yield JsonText(offset + len(text[:place].encode()), text[place:end].encode(), is_line=False)
        place = _skip_commas(text, end)


def _skip_commas(text: str, start: int) -> int:
    """The index of the first character from `start` on that is neither a comma nor white space."""
    gap = _GAP.match(text, start)
    return gap.end() if gap else start


def _require_end(window: Window, mark: bytes) -> None:
    if mark and window.skip_blanks() == mark:
        window.drop(len(mark))
    if window.skip_blanks() is not None:
        raise BrokenFile(window.start, "text follows the end of the array")


def _describe_missing_end(rest: bytes, offset: int, has_previous: bool) -> BrokenFile:
    """Why the array did not end: cut short, or not JSON at an earlier place."""
    opening = b"[" + _PLACEHOLDER * has_previous
    try:
        parse_json(opening + rest)
    except ValueError as error:
        return describe_parse_error(error, opening + rest, offset - len(opening), "array")
    raise AssertionError("an array without an end was read as JSON")
