"""Large plain files are split into pieces, so that many tasks can read one file."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from spark_jobs.extraction.compression import PACKED_MAGICS, open_regular_file
from spark_jobs.extraction.csv_format import CsvFormat, find_csv_format, find_row_end
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.heads import describe_head, read_beginning
from spark_jobs.extraction.parsing import BLANKS, UTF8_BOM, UTF16_BOMS, is_json
from spark_jobs.sources.heads import CSV
from spark_jobs.storage import Location

PIECE_BYTES = 16 << 20
"""About how much of a large file one task reads."""
LONGEST_PIECE_BYTES = 64 << 20
"""A longer piece is not parsed at once: its text and values take several times as much memory."""
HEAD_BYTES = 8 << 20
"""How much of a file is looked at to see what it is: its first line has to end in it."""
BLOCK_BYTES = 64 << 10
"""How much is read at a time in search of a place to split a file."""
CSV_SEARCH_BYTES = 256 << 10
"""In how much of a CSV file the start of a row is looked for."""

_FIRST_ELEMENT = re.compile(rb"\[[ \t]*\r?(\n[ \t]*\{)")


@dataclass(frozen=True)
class Piece:
    """The part of a plain file from byte `start` to byte `end` (None: to its end)."""

    start: int = 0
    end: int | None = None


WHOLE_FILE = Piece()


def split_file(path: Location, folder: Path | None = None) -> list[Piece]:
    """The pieces of a file, in order: it is split at line ends after which a document or a row seems to begin.

    In an array or CSV that is a guess, which `parse_array_piece` and `read_rows` check. A file that cannot be opened
    stays whole: its reader will say why.
    """
    try:
        with open_regular_file(path, folder) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size < 2 * PIECE_BYTES:
                return [WHOLE_FILE]
            starts = [0, *_find_starts(file, size)]
    except OSError:
        return [WHOLE_FILE]
    if max(end - start for start, end in pairwise([*starts, size])) > LONGEST_PIECE_BYTES:
        return [WHOLE_FILE]
    return [Piece(start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _find_starts(file: BinaryIO, size: int) -> Iterator[int]:
    """Where the pieces after the first one start."""
    separator = _find_separator(file.read(HEAD_BYTES))
    file.seek(0)
    form = _find_csv_format(file) if separator is None else None
    if separator is None and form is None:
        return
    previous = 0
    for target in range(PIECE_BYTES, size - PIECE_BYTES, PIECE_BYTES):
        if previous > target:
            continue
        if form is not None:
            place = find_row_end(_read_at(file, target, CSV_SEARCH_BYTES), form, target)
        elif separator is not None:
            place = _find_bytes(file, separator, target, target + PIECE_BYTES)
        if place is not None:
            previous = place + 1
            yield previous


def _find_separator(head: bytes) -> bytes | None:
    """The bytes between the documents of a plain file that begins with `head`: a line end, and what an array has
    after it (indentation and a brace). None where the file cannot be split: an array on one line, one document."""
    if head.startswith((*PACKED_MAGICS, *UTF16_BOMS)):
        return None
    text = head.removeprefix(UTF8_BOM).lstrip(BLANKS)
    if first := _FIRST_ELEMENT.match(text):
        return first[1]
    line, line_end, _ = text.partition(b"\n")
    return line_end if line_end and is_json(line) and not text.startswith(b"[") else None


def _find_csv_format(file: BinaryIO) -> CsvFormat | None:
    """The format of a plain CSV file in UTF-8; None for any other file."""
    beginning, is_whole = read_beginning(file)
    if beginning.startswith((*PACKED_MAGICS, *UTF16_BOMS)):
        return None
    try:
        return find_csv_format(beginning, is_whole) if describe_head(beginning, is_whole).kind == CSV else None
    except BrokenFile:
        return None  # its reader will say why


def _read_at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _find_bytes(file: BinaryIO, wanted: bytes, start: int, end: int) -> int | None:
    """The first offset of `wanted` from `start` on; the search ends at `end`."""
    file.seek(start)
    seen = b""
    while start + len(seen) < end and (block := file.read(BLOCK_BYTES)):
        place = (seen + block).find(wanted, max(0, len(seen) - len(wanted)))
        seen += block
        if place >= 0:
            return start + place
    return None
