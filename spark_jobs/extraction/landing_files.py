"""Bytes of a landing file in, texts of its documents out: exact, in bounded memory, with the place of any damage.

A file is one JSON array of documents, one document, or JSON Lines; UTF-8 with or without a byte order mark;
plain, gzip or bzip2. Which, is read from its content. The unit of damage is the JSON text: a bad line of JSON
Lines is one bad record, but an array or a single document that is not valid JSON is a broken file.
"""

import bz2
import errno
import gzip
import json
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

CHUNK_BYTES = 8 << 20
PIECE_BYTES = 16 << 20
"""About how much of a large file is read by one task."""
AT_ONCE_BYTES = 4 * PIECE_BYTES
"""How much may be parsed at once."""
SEARCH_BYTES = 64 << 10
DOCUMENT_LIMIT_BYTES = 256 << 20
"""No document may be longer: it has to fit in memory several times over on its way to Parquet."""

GZIP_MAGIC, BZIP2_MAGIC = COMPRESSED = b"\x1f\x8b", b"BZh"
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
BLANKS = b" \t\n\r"
TOO_DEEP = "nested too deeply"
DOCUMENT = b"{}"
"""Stands for a document where only its surroundings are parsed; a number could become part of what it stands beside."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_GAP = re.compile(r"[ \t\n\r,]*")
_CUT_TOKEN = re.compile(rb"|-|\.|[eE][+-]?|\\?u?[0-9a-fA-F]{0,4}|t(ru?)?|f(a(ls?)?)?|n(ul?)?")
"""What can be left of a word, a number or an escape where a file ends in the middle of one."""


class BrokenFile(Exception):
    """The file as a whole cannot be trusted: `offset` is the byte (of the unpacked text), `reason` what is wrong."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset:,}: {reason}")
        self.offset = offset
        self.reason = reason


@dataclass(frozen=True)
class Text:
    """The text of one document: where it starts (bytes into the unpacked file), its bytes, and whether a fault in
    it breaks only this record (a line) or the whole file."""

    offset: int
    content: bytes
    is_line: bool


@dataclass(frozen=True)
class Piece:
    """The part of a plain file from byte `start` to byte `end` (None: to its end)."""

    start: int = 0
    end: int | None = None


WHOLE = Piece()


def pieces(path: Path) -> list[Piece]:
    """Cut a large plain file at line ends after which a document seems to begin, so that many tasks can read it.

    A cut in an array is a guess; `array_elements` finds out. A file that cannot be opened is not cut: who reads it
    will say why.
    """
    try:
        size = path.stat().st_size
        if size < 2 * PIECE_BYTES:
            return [WHOLE]
        with path.open("rb") as file:
            cuts = _cuts(file, size)
    except OSError:
        return [WHOLE]
    if max(end - start for start, end in pairwise([*cuts, size])) > AT_ONCE_BYTES:
        return [WHOLE]
    return [Piece(start, end) for start, end in zip(cuts, [*cuts[1:], None], strict=True)]


def _cuts(file: BinaryIO, size: int) -> list[int]:
    cuts = [0]
    before_document = _before_document(file.read(CHUNK_BYTES))
    if before_document is not None:
        for target in range(PIECE_BYTES, size - PIECE_BYTES, PIECE_BYTES):
            if cuts[-1] <= target and (cut := _find(file, before_document, target, target + PIECE_BYTES)) is not None:
                cuts.append(cut + 1)
    return cuts


_FIRST_ELEMENT = re.compile(rb"\[[ \t]*\r?(\n[ \t]*\{)")


def _before_document(head: bytes) -> bytes | None:
    """What stands before a document of a plain file that begins with `head`: a line end and, in an array, the
    indentation. None where it cannot be cut: an array on one line, one document."""
    if head.startswith((*COMPRESSED, *UTF16_MARKS)):
        return None
    text = head.removeprefix(UTF8_MARK).lstrip(BLANKS)
    if first := _FIRST_ELEMENT.match(text):
        return first[1]
    line, line_end, _ = text.partition(b"\n")
    return line_end if line_end and _is_value(line) and not text.startswith(b"[") else None


def _find(file: BinaryIO, wanted: bytes, start: int, end: int) -> int | None:
    """Where `wanted` first stands from `start` on, looked for up to `end`."""
    file.seek(start)
    seen = b""
    while start + len(seen) < end and (block := file.read(SEARCH_BYTES)):
        place = (seen + block).find(wanted, max(0, len(seen) - len(wanted)))
        seen += block
        if place >= 0:
            return start + place
    return None


def open_export(path: Path, max_unpacked_bytes: int | None = None) -> BinaryIO:
    """Open a landing file for reading its unpacked bytes; gzip and bzip2 are known by their first bytes.

    A compressed one may unpack to `max_unpacked_bytes` (None: to any number).
    """
    file = _open(path)
    magic = file.read(3)
    file.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return _Unpacked(gzip.GzipFile(fileobj=file), max_unpacked_bytes)  # type: ignore[return-value, arg-type]  # BinaryIO in all but name
    if magic == BZIP2_MAGIC:
        return _Unpacked(bz2.BZ2File(file), max_unpacked_bytes)  # type: ignore[return-value, arg-type]  # the same
    return file


def _open(path: Path) -> BinaryIO:
    """Open a file. What is none is an error: a pipe would let its reader wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "neither a file nor a folder that can be looked into")
    return path.open("rb")


class _Unpacked:
    """The unpacked bytes of a compressed file: more than `limit` of them break it."""

    def __init__(self, stream: BinaryIO, limit: int | None) -> None:
        self._stream = stream
        self._limit = limit
        self._count = 0

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._count += len(chunk)
        if self._limit is not None and self._count > self._limit:
            raise BrokenFile(
                self._limit, f"unpacks to more than the {self._limit:,} bytes that [landing] max_unpacked_bytes allows"
            )
        return chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.close()


def array_elements(path: Path, piece: Piece = WHOLE) -> Iterator[tuple[int, str, object]] | None:
    """The documents of an array, or of a piece of one, parsed at once: offset, text and value of each. None where
    the file is anything else, or too large for that.

    Where every piece of a file holds documents and the commas between them and nothing else, so does the file: one
    after the other they are the elements of its array, wherever it was cut. Raises BrokenFile where one does not;
    what is wrong in which place, `read_texts` tells.
    """
    with _open(path) as file:
        head = file.read(SEARCH_BYTES)
        size = (piece.end or path.stat().st_size) - piece.start
        if not head.removeprefix(UTF8_MARK).lstrip(BLANKS).startswith(b"[") or size > AT_ONCE_BYTES:
            return None
        file.seek(piece.start)
        content = file.read(size)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenFile(piece.start, "not UTF-8") from error
    return _parsed_elements(text, piece)


def _parsed_elements(text: str, piece: Piece) -> Iterator[tuple[int, str, object]]:
    broken = BrokenFile(piece.start, "not an array of documents")
    place = _after_blanks(text, 0)
    if piece.start == 0:
        place = _after_blanks(text, _after_blanks(text, int(text.startswith("\ufeff"))) + 1)
        if text[place:].rstrip(BLANKS.decode()) == "]" and piece.end is None:
            return
    offset, counted = piece.start, 0
    while True:
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            raise broken from error
        offset += place - counted if text.isascii() else len(text[counted:place].encode())
        counted = place
        yield offset, text[place:end], value
        place = _after_blanks(text, end)
        delimiter = text[place : place + 1]
        place = _after_blanks(text, place + 1)
        is_end = place == len(text)
        if is_end and delimiter == ("]" if piece.end is None else ","):
            return
        if is_end or delimiter != ",":
            raise broken


def _after_blanks(text: str, place: int) -> int:
    return _BLANKS.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing, too


def read_lines(stream: BinaryIO, piece: Piece) -> Iterator[Text]:
    """The documents' texts of a piece of JSON Lines."""
    stream.seek(piece.start)
    window = _Window(stream, piece)
    if piece.start == 0:
        window.skip_mark()
    yield from _lines(window)


def read_texts(stream: BinaryIO) -> Iterator[Text]:
    """The documents' texts of one file, in their order. Raises BrokenFile at the place of the damage."""
    window = _Window(stream)
    window.skip_mark()
    first = window.first_byte()
    if first is None:
        return
    if first == b"[":
        window.drop(1)
        yield from _array_elements(window)
    elif _is_single_document(window):
        yield Text(window.start, window.data.rstrip(BLANKS), is_line=False)
    else:
        yield from _lines(window)


class _Window:
    """The part of a stream that is being looked at; `start` is the offset of its first byte."""

    def __init__(self, stream: BinaryIO, piece: Piece = WHOLE) -> None:
        self._stream = stream
        self._end = piece.end
        self.data = b""
        self.start = piece.start
        self.ended = False

    def grow(self) -> None:
        """Read on. A window that did not hold a whole document doubles, so that long ones cost no square."""
        if len(self.data) > DOCUMENT_LIMIT_BYTES:
            raise BrokenFile(self.start, f"no document ends within {DOCUMENT_LIMIT_BYTES >> 20} MiB")
        place = self.start + len(self.data)
        wanted = max(CHUNK_BYTES, len(self.data))
        try:
            chunk = self._stream.read(wanted if self._end is None else min(wanted, self._end - place))
        except (EOFError, OSError, zlib.error) as error:
            raise BrokenFile(place, f"damaged compressed data ({error})") from error
        self.ended = not chunk
        self.data += chunk

    def drop(self, count: int) -> None:
        self.data = self.data[count:]
        self.start += count

    def skip_mark(self) -> None:
        self.grow()
        if self.data.startswith(UTF16_MARKS):
            raise BrokenFile(0, "UTF-16, not UTF-8")
        if self.data.startswith(UTF8_MARK):
            self.drop(len(UTF8_MARK))

    def first_byte(self) -> bytes | None:
        """Drop leading blanks; None when there is nothing else."""
        while True:
            self.drop(len(self.data) - len(self.data.lstrip(BLANKS)))
            if self.data or self.ended:
                return self.data[:1] or None
            self.grow()


def parse(content: bytes) -> object:
    """The JSON value of a text, strictly: numbers stay the text they were written as. Raises ValueError."""
    try:
        return _DECODER.decode(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


def _is_single_document(window: _Window) -> bool:
    """Whether the file is one document over many lines, not one a line. Raises BrokenFile where it is neither.

    A first line that is whole in itself settles it. If not, the whole is read: as one document, or, where a later
    line begins a document and is whole, as lines of which the first is bad.
    """
    while b"\n" not in window.data and not window.ended:
        window.grow()
    if _is_value(window.data.split(b"\n", 1)[0]):
        return False
    while not window.ended and len(window.data) < DOCUMENT_LIMIT_BYTES:
        window.grow()
    content = window.data.rstrip(BLANKS)
    try:
        parse(content)
    except ValueError as error:
        if any(line.startswith(b"{") and _is_value(line) for line in content.split(b"\n")[1:]):
            return False
        raise broken_by(error, content, window.start, "document") from error
    return True


def _is_value(content: bytes) -> bool:
    try:
        parse(content)
    except ValueError:
        return False
    return True


def _lines(window: _Window) -> Iterator[Text]:
    while True:
        *lines, rest = window.data.split(b"\n")
        if window.ended:
            lines.append(rest)
        offset = window.start
        for line in lines:
            if content := line.strip(BLANKS):
                yield Text(offset + line.index(content[:1]), content, is_line=True)
            offset += len(line) + 1
        if window.ended:
            return
        window.drop(len(window.data) - len(rest))
        window.grow()


def _array_elements(window: _Window) -> Iterator[Text]:
    """The elements of an array whose opening bracket has been dropped."""
    has_previous = False
    while True:
        starts, ends, array_end = _extents(window.data)
        done = 0
        for start, end in zip(starts, ends, strict=True):
            gap = window.data[done:start]
            yield from _between(gap, window.start + done, has_previous, has_next=True)
            yield Text(window.start + start, window.data[start:end], is_line=False)
            done, has_previous = end, True
        if array_end is not None:
            gap = window.data[done:array_end]
            yield from _between(gap, window.start + done, has_previous, has_next=False)
            window.drop(array_end + 1)
            _require_end(window)
            return
        window.drop(done)
        window.grow()
        if window.ended:
            raise _damage(window.data, window.start, has_previous)


def _between(gap: bytes, offset: int, has_previous: bool, has_next: bool) -> Iterator[Text]:
    """Check what stands between two documents of an array: a comma, or commas and values that are no documents."""
    stripped = gap.strip(BLANKS)
    if stripped == (b"," if has_previous and has_next else b""):
        return
    try:
        parse(b"[" + DOCUMENT * has_previous + gap + DOCUMENT * has_next + b"]")
    except ValueError as error:
        raise BrokenFile(offset, "not valid JSON between two documents of the array") from error
    text, place = gap.decode("utf-8"), 0
    while (place := _GAP.match(text, place).end()) < len(text):  # type: ignore[union-attr]  # it matches nothing, too
        end = _DECODER.raw_decode(text, place)[1]
        yield Text(offset + len(text[:place].encode()), text[place:end].encode(), is_line=False)
        place = end


def _require_end(window: _Window) -> None:
    if window.first_byte() is not None:
        raise BrokenFile(window.start, "text follows the end of the array")


def _damage(rest: bytes, offset: int, has_previous: bool) -> BrokenFile:
    """Why the array did not end: cut short, or not JSON at some place before."""
    opening = b"[" + DOCUMENT * has_previous
    try:
        parse(opening + rest)
    except ValueError as error:
        return broken_by(error, opening + rest, offset - len(opening), "array")
    raise AssertionError("an array without an end was read as JSON")


def broken_by(error: ValueError, content: bytes, offset: int, what: str) -> BrokenFile:
    """The verdict on a file from the parser's error on `content`, which starts at `offset`."""
    cut_short = BrokenFile(offset + len(content), f"the {what} is cut short")
    if isinstance(error, UnicodeDecodeError):
        is_cut = error.end == len(content) and error.reason == "unexpected end of data"
        return cut_short if is_cut else BrokenFile(offset + error.start, "not UTF-8")
    if not isinstance(error, json.JSONDecodeError):
        return BrokenFile(offset, str(error))
    place = len(error.doc[: error.pos].encode())
    if error.msg.startswith("Unterminated string") or _CUT_TOKEN.fullmatch(content[place:].rstrip(BLANKS)):
        return cut_short
    return BrokenFile(offset + place, f"not valid JSON ({error.msg})")


# Where documents start and end. Only brackets outside strings count, and only quotes and brackets matter, so the
# bytes are thinned out to those first, all at once.

_QUOTE, _BACKSLASH = b'"\\'
_MATTERS = np.zeros(256, dtype=bool)
_MATTERS[list(b'"\\{}[]')] = True
_DEPTH = np.zeros(256, dtype=np.int8)
_DEPTH[list(b"{[")] = 1
_DEPTH[list(b"}]")] = -1


def _extents(data: bytes) -> tuple[list[int], list[int], int | None]:
    """Start and end offsets of the whole documents in an array's body, and where its closing bracket is, if there."""
    codes = np.frombuffer(data, dtype=np.uint8)
    places = np.flatnonzero(_MATTERS[codes])
    places = _without_escaped(places, codes)
    marks = codes[places]
    is_quote = marks == _QUOTE
    outside = ~is_quote & (np.cumsum(is_quote) % 2 == 0)
    places = places[outside]
    steps = _DEPTH[codes[places]]
    depth = np.cumsum(steps, dtype=np.int64)
    closing = np.flatnonzero(depth < 0)
    if len(closing):
        places, steps, depth = places[: closing[0] + 1], steps[: closing[0] + 1], depth[: closing[0] + 1]
    starts = places[(depth == 1) & (steps == 1)]
    ends = places[(depth == 0) & (steps == -1)] + 1
    array_end = int(places[-1]) if len(closing) else None
    return starts[: len(ends)].tolist(), ends.tolist(), array_end


def _without_escaped(places: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Drop the backslashes, and every character that an odd number of them stands before."""
    is_backslash = codes[places] == _BACKSLASH
    backslashes = places[is_backslash]
    if not len(backslashes):
        return places
    begins_run = np.diff(backslashes, prepend=-2) > 1
    ends_run = np.append(begins_run[1:], True)
    lengths = backslashes[ends_run] - backslashes[begins_run] + 1
    escaped = backslashes[ends_run][lengths % 2 == 1] + 1
    others = places[~is_backslash]
    return others[~np.isin(others, escaped, assume_unique=True)]
