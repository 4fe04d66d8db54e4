"""Plain blocks: documents that Arrow's reader of JSON turns into columns at once, without a Python value for each.

It is as strict as ours, and several times as fast: what it reads, the strict reader would read as the same. It stops at
all else, and the strict reader goes on from there: at a key that is unknown or stands twice, a value of another type, a
lone surrogate, a number written with more than digits (counters are unsigned here, so that -0 is none of them).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.json

from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.compression import open_regular_file
from spark_jobs.extraction.keys import are_keys
from spark_jobs.extraction.parsing import BLANKS
from spark_jobs.extraction.splitting import LONGEST_PIECE_BYTES, Piece
from spark_jobs.schemas import COMMENT_FIELDS, DOCUMENTS, POST_FIELDS, REACTIONS, TEXT, USER_FIELDS

LEAST_BYTES = 1 << 20
"""Smaller files are left to the strict reader: each block is a row group of its own."""
BLOCK_BYTES = 4 << 20
"""About how much is read at once: as much as a row group of the strict reader's rows."""
HEAD_BYTES = 4096
"""How much of a file is looked at to see how its documents are separated."""

_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*(?:\[[ \t]*\r?(?=(\n[ \t]*\{))|(?=\{))")
"""An array whose documents begin on lines of their own, or the first document of JSON Lines. The group is what
separates the documents of such an array."""
_COUNTERS = frozenset({"age", "shares", *REACTIONS})


def _type_fields(names: tuple[str, ...]) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.uint64() if name in _COUNTERS else TEXT) for name in names]


_POST = pa.struct(
    [
        ("post_id", TEXT),
        *_type_fields(POST_FIELDS),
        ("tags", pa.list_(TEXT)),
        ("reactions", pa.struct(_type_fields(REACTIONS))),
        ("comments", pa.list_(pa.struct(_type_fields(COMMENT_FIELDS)))),
    ]
)
_DOCUMENT = pa.struct(
    [("position", pa.int64()), ("user_id", TEXT), *_type_fields(USER_FIELDS), ("posts", pa.list_(_POST))]
)
_BLOCK = pa.schema([("documents", pa.list_(_DOCUMENT))])
"""A block is read as one object: Arrow crashes where a text begins with null (github.com/apache/arrow/issues/47409)."""
_ROW = pa.struct(list(DOCUMENTS))


@dataclass(frozen=True)
class PlainBlock:
    """Rows of DOCUMENTS, and what of the source follows them (None: nothing)."""

    rows: pa.RecordBatch
    rest: Source | None


def read_plain_blocks(source: Source, batch: str) -> Iterator[PlainBlock]:
    """The documents of a source of the native format from its start on, as far as they are plain.

    There are none where the source is not a plain file, or its documents do not begin on lines of their own.
    """
    found = _read_content(source)
    if found is None:
        return
    content, start, array_separator = found
    separator = array_separator or b"\n{"
    while start < len(content):
        cut = content.find(separator, start + BLOCK_BYTES)
        end = cut if cut >= 0 else len(content)
        text = content[start:end].lstrip(BLANKS)
        position = source.piece.start + end - len(text)
        text = text.rstrip(BLANKS)
        if array_separator:
            delimiter = b"]" if cut < 0 and source.piece.end is None else b","
            if not text.endswith(delimiter):
                return
            text = text[:-1]
        documents = _read_documents(text, position, separator, is_array=bool(array_separator))
        if documents is None:
            return
        rest = replace(source, piece=Piece(source.piece.start + end, source.piece.end)) if cut >= 0 else None
        yield PlainBlock(_build_rows(documents, batch, source.file), rest)
        start = end


def _read_content(source: Source) -> tuple[bytes, int, bytes | None] | None:
    """The bytes of a source, where the documents start in them, and what separates those of an array; None where the
    source cannot have plain blocks. If it cannot be opened, its reader will say why."""
    if source.member or source.fault:
        return None
    piece = source.piece
    try:
        with open_regular_file(source.path, source.folder) as file:
            beginning = _BEGINNING.match(file.read(HEAD_BYTES))
            size = (piece.end or file.seek(0, os.SEEK_END)) - piece.start
            if beginning is None or not LEAST_BYTES <= size <= LONGEST_PIECE_BYTES:
                return None
            file.seek(piece.start)
            return file.read(size), 0 if piece.start else beginning.end(), beginning[1]
    except OSError:
        return None


def _read_documents(text: bytes, position: int, separator: bytes, is_array: bool) -> pa.StructArray | None:
    """The documents of a block, the first of which stands at `position` of the file; None where any is not plain.

    Each is told its position where it seems to start, as a key that no other object may have. So if they are as many as
    there are such places, those are where they start.
    """

    def add_position(found: re.Match[bytes]) -> bytes:
        return b'%b%b"position":%d,' % (b"" if is_array else b",", separator, position + found.end() - 1)

    marked, separators = re.subn(re.escape(separator), add_position, text)
    if not text.startswith(b"{") or not (is_array or text.count(b"\n") == separators):
        return None
    content = b'{"documents":[{"position":%d,%b]}' % (position, marked[1:])
    try:
        table = pyarrow.json.read_json(
            pa.py_buffer(content),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(content)),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=_BLOCK, unexpected_field_behavior="error"),
        )
        if len(table) != 1:
            return None
        documents = table["documents"].chunk(0).values
        documents.validate(full=True)  # Arrow's reader does not check that texts are UTF-8
    except pa.ArrowInvalid:
        return None
    return documents if len(documents) == separators + 1 and _are_plain(documents) else None


def _are_plain(documents: pa.StructArray) -> bool:
    """Whether nothing is missing that a row has to have. What is null in place of an object has no lists either."""
    posts = documents.field("posts")
    comments = posts.values.field("comments")
    is_complete = not (posts.null_count or comments.null_count or comments.values.null_count)
    return is_complete and are_keys(documents.field("user_id")) and are_keys(posts.values.field("post_id"))


def _build_rows(documents: pa.StructArray, batch: str, file: str) -> pa.RecordBatch:
    columns = documents.cast(_ROW).flatten()
    where = [pa.repeat(pa.scalar(name, TEXT), len(documents)) for name in (batch, file)]
    return pa.RecordBatch.from_arrays(where + columns[len(where) :], schema=DOCUMENTS)
