"""Plain lines: JSON Lines of which Arrow's reader turns the members that a table reads into columns at once.

What it reads, the strict reader would read as the same. A block is plain where each line is an object, and each of
these members a text or a whole number, always the same of both.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.json

from spark_jobs.extraction import plain_blocks
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.json_texts import Window, list_lines
from spark_jobs.extraction.parsing import is_json
from spark_jobs.extraction.plain_records import BLOCK_BYTES, LINE_FEED, Blocks, PlainRecords
from spark_jobs.extraction.reading import open_source
from spark_jobs.extraction.record_reading import parse_text
from spark_jobs.extraction.source_record import SourceRecord
from spark_jobs.schemas import TEXT
from spark_jobs.sources.columns import Members, NotPlain

LONGEST_BLOCK_BYTES = 8 << 20
"""A block with a longer line in it is left to the strict reader, which holds one value at a time."""
SAMPLE_LINES = 20
"""Lines of a block that are looked at to see what type each member has."""
MOST_BRACKETS = 400
"""Brackets beside those of the lines' own objects, in a block that cannot be nested too deep for the strict reader."""
DEEPEST = 100
"""How deep the brackets of a line may be nested, those in its texts counted like others."""

_MINUS_ZERO = re.compile(rb"-0[ \t\r]*[,}\]]")
"""A number that has another text as an integer; or a text like it, which does no harm."""
_ESCAPED_KEY = re.compile(rb'"(?:[^"\\]|\\.)*\\u(?:[^"\\]|\\.)*"[ \t\r\n]*:')
"""A key with an escape in it: it may be any key."""
_OPENING, _CLOSING = b"{[", b"}]"


class LineBlocks(Blocks):
    """The lines of a file, packed or not, of whose objects some members are wanted."""

    def __init__(self, stream: BinaryIO, window: Window, wanted: Collection[str]) -> None:
        self._stream = stream
        self._window = window
        self._wanted = wanted
        self._is_small = len(window.data) < plain_blocks.LEAST_BYTES

    @classmethod
    def open(cls, source: Source, wanted: Collection[str]) -> Self | None:
        """The blocks of a source; None where it cannot have plain lines. If it cannot be opened, its reader will say
        why."""
        try:
            stream = open_source(source)
        except (OSError, BrokenFile):
            return None
        if source.piece.start:
            stream.seek(source.piece.start)
        window = Window(stream, source.piece, source.max_document_bytes)
        try:
            window.grow()
            if cls._begins_with_object(window):
                return cls(stream, window, wanted)
        except (OSError, BrokenFile):
            pass
        stream.close()
        return None

    @staticmethod
    def _begins_with_object(window: Window) -> bool:
        """Whether the first line is an object, and surely one of several lines."""
        first, line_end, _ = window.data.partition(b"\n")
        return first.startswith(b"{") and (window.start > 0 or (bool(line_end) and is_json(first)))

    @property
    def is_at_end(self) -> bool:
        """Whether all lines have been read."""
        return self._find_end() == 0

    def look_ahead(self) -> PlainRecords | None:
        """The next lines; None where they are not plain."""
        end = self._find_end()
        if self._is_small or end > LONGEST_BLOCK_BYTES:
            return None
        block = self._window.data[:end]
        starts = _find_lines(block, self._window.limit)
        if starts is None or _may_be_too_deep(block, starts) or _MINUS_ZERO.search(block):
            return None
        types = _find_types(block, self._wanted)
        columns = None if types is None else _read_columns(block, types, len(starts))
        if columns is None:
            return None

        def has(name: str) -> bool:
            column = columns.get(name)
            if column is not None and not column.null_count:
                return True
            if json.dumps(name).encode() in block or (b"\\u" in block and _ESCAPED_KEY.search(block)):
                raise NotPlain
            return False

        return PlainRecords(starts + self._window.start, Members(len(starts), columns, has), len(block))

    def skip(self, records: PlainRecords) -> None:
        """Go on after these lines."""
        self._window.drop(records.size)

    def read_records(self) -> Iterator[SourceRecord]:
        """The same lines, by the strict reader."""
        lines = self._window.data[: self._find_end()].split(b"\n")
        yield from map(parse_text, list_lines(lines, self._window.start))
        self._window.drop(self._find_end())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _find_end(self) -> int:
        """Where the next block ends: with a line. Reads on until there is one."""
        window = self._window
        while not (end := window.data.find(b"\n", BLOCK_BYTES) + 1) and not window.is_at_end:
            window.grow()
        return end or len(window.data)


def _find_lines(block: bytes, limit: int) -> np.ndarray | None:
    """Where the lines of a block start; None where any is not an object alone, or longer than the limit.

    A line that begins and ends with a brace and is no object by itself is none together with its neighbours either.
    """
    text = np.frombuffer(block, np.uint8)
    feeds = np.flatnonzero(text == LINE_FEED)
    if not len(feeds) or feeds[-1] + 1 < len(text):
        feeds = np.append(feeds, len(text))
    starts = np.concatenate(([0], feeds[:-1] + 1))
    lasts = feeds - 1
    lasts = lasts - (text[lasts] == ord("\r"))
    if not (lasts > starts).all() or int((feeds - starts).max()) > limit:
        return None
    return starts if (text[starts] == ord("{")).all() and (text[lasts] == ord("}")).all() else None


def _may_be_too_deep(block: bytes, starts: np.ndarray) -> bool:
    if block.count(b"{") + block.count(b"[") <= len(starts) + MOST_BRACKETS:
        return False
    text = np.frombuffer(block, np.uint8)
    steps = np.isin(text, list(_OPENING)).astype(np.int32) - np.isin(text, list(_CLOSING))
    depths = np.cumsum(steps, dtype=np.int32)
    before = np.repeat(depths[starts] - steps[starts], np.diff(np.append(starts, len(text))))
    return int((depths - before).max()) > DEEPEST


def _find_types(block: bytes, wanted: Collection[str]) -> Mapping[str, pa.DataType] | None:
    """The type of each wanted member, by the first lines; None where one is neither a text nor a whole number."""
    types: dict[str, pa.DataType] = {}
    for line in islice(block.split(b"\n", SAMPLE_LINES), SAMPLE_LINES):
        try:
            value = json.loads(line) if line else {}
        except (ValueError, RecursionError):
            return None
        for name in wanted:
            found = value.get(name)
            if found.__class__ not in (str, int, type(None)):
                return None
            if found is not None:
                types.setdefault(name, TEXT if found.__class__ is str else pa.int64())
    return {name: types.get(name, TEXT) for name in wanted}


def _read_columns(block: bytes, types: Mapping[str, pa.DataType], count: int) -> dict[str, pa.StringArray] | None:
    """The members of the objects in a block of so many lines; None where it has others."""
    try:
        block.decode("utf-8")  # Arrow's reader does not check it
        table = pyarrow.json.read_json(
            pa.py_buffer(block),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block)),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=pa.schema(list(types.items())), unexpected_field_behavior="ignore"
            ),
        )
        if len(table) != count:
            return None
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return None
    return {name: table[name].combine_chunks().cast(TEXT) for name in types}
