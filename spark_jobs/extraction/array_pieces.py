"""Arrays, or pieces of large ones, parsed at once: the fast way, which cannot tell what is wrong with a file."""

import os
from collections.abc import Iterator
from pathlib import Path

from spark_jobs.extraction.compression import open_regular_file
from spark_jobs.extraction.errors import NOT_UTF8, BrokenFile
from spark_jobs.extraction.parsing import BLANKS, UTF8_BOM, parse_value_at, skip_blanks
from spark_jobs.extraction.splitting import LONGEST_PIECE_BYTES, WHOLE_FILE, Piece
from spark_jobs.storage import Location

HEAD_BYTES = 64 << 10
"""An array's opening bracket has to be among the first bytes; if not, the careful reader reads the file."""


def parse_array_piece(
    path: Location, piece: Piece = WHOLE_FILE, folder: Path | None = None
) -> Iterator[tuple[int, str, object]] | None:
    """The documents of an array, or of a piece of one: offset (bytes), text and value (numbers as text) of each.

    None where the file is not a plain array, or is too large. Raises BrokenFile where the piece holds anything but
    documents and the commas between them; `read_texts` tells the place and the reason. If no piece of a file raises
    it, the documents are exactly the elements of its array, wherever the file was split.
    """
    with open_regular_file(path, folder) as file:
        head = file.read(HEAD_BYTES)
        size = (piece.end or file.seek(0, os.SEEK_END)) - piece.start
        if not head.removeprefix(UTF8_BOM).lstrip(BLANKS).startswith(b"[") or size > LONGEST_PIECE_BYTES:
            return None
        file.seek(piece.start)
        content = file.read(size)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenFile(piece.start, NOT_UTF8) from error
    return _parse_elements(text, piece)


def _parse_elements(text: str, piece: Piece) -> Iterator[tuple[int, str, object]]:
    broken = BrokenFile(piece.start, "not an array of documents")
    place = skip_blanks(text, 0)
    if piece.start == 0:
        bracket = skip_blanks(text, len("\ufeff") if text.startswith("\ufeff") else 0)
        place = skip_blanks(text, bracket + 1)
        if text[place:].rstrip(BLANKS.decode()) == "]" and piece.end is None:
            return
    offset, counted = piece.start, 0
    while True:
        try:
            value, end = parse_value_at(text, place)
        except (ValueError, RecursionError) as error:
            raise broken from error
        offset += place - counted if text.isascii() else len(text[counted:place].encode())
        counted = place
        yield offset, text[place:end], value
        place = skip_blanks(text, end)
        delimiter = text[place : place + 1]
        place = skip_blanks(text, place + 1)
        is_end = place == len(text)
        if is_end and delimiter == ("]" if piece.end is None else ","):
            return
        if is_end or delimiter != ",":
            raise broken
