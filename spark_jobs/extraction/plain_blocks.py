"""Plain blocks: documents that Arrow's reader of JSON turns into columns at once, without a Python value for each.

It is as strict as ours, and several times as fast: what it reads, the strict reader would read as the same. It refuses
all else, and the strict reader reads the block: a key that is unknown or stands twice, a value of another type, a lone
surrogate, a number written with more than digits (counters are unsigned here, so that -0 is refused).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import BinaryIO

import pyarrow as pa
import pyarrow.json

from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.compression import open_regular_file
from spark_jobs.extraction.keys import are_keys
from spark_jobs.extraction.parsing import BLANKS
from spark_jobs.extraction.splitting import LONGEST_PIECE_BYTES, Piece
from spark_jobs.schemas import COMMENT_FIELDS, DOCUMENTS, POST_FIELDS, REACTIONS, TEXT, USER_FIELDS

LEAST_BYTES = 1 << 20
"""Smaller files are left to the strict reader: there is little to gain in them."""
BLOCK_BYTES = 2 << 20
"""About how much is read at once, or left to the strict reader for one document that is not plain."""
FIRST_BLOCK_BYTES = 64 << 10
"""The same of the first block. If it is not plain, most likely no other is, and to try would cost time."""
LINE_SEPARATOR = b"\n{"
"""What separates the documents of JSON Lines; of an array there may be indentation before the brace."""
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


def read_plain_blocks(source: Source, batch: str) -> Iterator[pa.RecordBatch | Source]:
    """The documents of a source of the native format, in order: rows of DOCUMENTS where all documents of a block are
    plain, and the pieces between them, for the strict reader. That is the whole source where it is not a plain file, or
    its documents do not begin on lines of their own."""
    done = source.piece.start
    for piece, documents in _read_pieces(source):
        if documents is None:
            continue
        if done < piece.start:
            yield replace(source, piece=Piece(done, piece.start))
        yield _build_rows(documents, batch, source.file)
        if piece.end is None or piece.end == source.piece.end:
            return
        done = piece.end
    yield replace(source, piece=Piece(done, source.piece.end))


def _read_pieces(source: Source) -> Iterator[tuple[Piece, pa.StructArray | None]]:
    """The pieces of a source, cut where documents seem to begin, each with its documents if all are plain. None where
    those of the first piece are not."""
    found = _read_content(source)
    if found is None:
        return
    content, begin, separator = found
    base, last = source.piece.start, len(content)
    cuts = _find_cuts(content, begin, separator or LINE_SEPARATOR)
    for start, end in pairwise([begin, *cuts, last]):
        piece = Piece(base if start == begin else base + start, source.piece.end if end == last else base + end)
        documents = _read_documents(content[start:end], base + start, piece.end is None, separator)
        if documents is None and start == begin:
            return
        yield piece, documents


def _read_content(source: Source) -> tuple[bytes, int, bytes | None] | None:
    """The bytes of a source, where the documents start in them, and what separates those of an array; None where the
    source cannot have plain blocks. If it cannot be opened, its reader will say why."""
    if source.member or source.fault:
        return None
    try:
        with open_regular_file(source.path, source.folder) as file:
            beginning = _BEGINNING.match(file.read(HEAD_BYTES))
            content = read_piece(file, source.piece) if beginning else None
    except OSError:
        return None
    return (content, 0 if source.piece.start else beginning.end(), beginning[1]) if beginning and content else None


def read_piece(file: BinaryIO, piece: Piece) -> bytes | None:
    """The bytes of a piece of a plain file; None of one that is small, or too large to be read at once."""
    size = (piece.end or file.seek(0, os.SEEK_END)) - piece.start
    if not LEAST_BYTES <= size <= LONGEST_PIECE_BYTES:
        return None
    file.seek(piece.start)
    return file.read(size)


def _find_cuts(content: bytes, begin: int, separator: bytes) -> Iterator[int]:
    cut = content.find(separator, begin + FIRST_BLOCK_BYTES)
    while cut >= 0:
        yield cut
        cut = content.find(separator, cut + BLOCK_BYTES)


def _read_documents(block: bytes, start: int, is_end: bool, array_separator: bytes | None) -> pa.StructArray | None:
    """The documents of a block, which starts at a byte of the file; None where any is not plain."""
    found = _tell_positions(block, start, is_end, array_separator)
    if found is None:
        return None
    content, count = found
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
    return documents if len(documents) == count and _are_plain(documents) else None


def _tell_positions(block: bytes, start: int, is_end: bool, array_separator: bytes | None) -> tuple[bytes, int] | None:
    """The block as one object, and how many documents seem to begin in it; None where it was not cut between documents.

    Each document is told its position where it seems to begin, as a key that no other object may have. So if they are
    as many as there are such places, those are where they begin.
    """
    text = block.lstrip(BLANKS)
    position = start + len(block) - len(text)
    text = text.rstrip(BLANKS)
    delimiter = b"" if not array_separator else b"]" if is_end else b","
    if not text.startswith(b"{") or not text.endswith(delimiter):
        return None
    separator, between = array_separator or LINE_SEPARATOR, b"" if array_separator else b","

    def add_position(found: re.Match[bytes]) -> bytes:
        return b'%b%b"position":%d,' % (between, separator, position + found.end())

    marked, separators = re.subn(re.escape(separator), add_position, text[1:].removesuffix(delimiter))
    if not array_separator and text.count(b"\n") != separators:
        return None
    return b'{"documents":[{"position":%d,%b]}' % (position, marked), separators + 1


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
