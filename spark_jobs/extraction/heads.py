"""Heads: what the beginning of a landing file shows. It is read in moments, however large the file is."""

import re

from spark_jobs.extraction.compression import Readable
from spark_jobs.extraction.csv_format import CsvFormat, find_csv_format
from spark_jobs.extraction.javascript import find_assignment
from spark_jobs.extraction.parsing import BLANKS, UTF8_BOM, is_json, parse_json, parse_value_at, skip_blanks
from spark_jobs.sources.heads import CSV, HEAD_VALUES, JS, JSON_ARRAY, JSON_LINES, JSON_OBJECT, Head

HEAD_BYTES = 16 << 10
"""How much of a file is looked at, and to the end of the value there: less than a millisecond for each file."""
LONGEST_HEAD_BYTES = 512 << 10
"""How much is read in search of that end: of a longer value, only its beginning counts."""
NOTHING_KNOWN = Head(JSON_LINES)
"""Of a file that is neither JSON nor CSV: reading it tells what is wrong."""

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
"""A string, one that is cut off, or what separates values."""
_CLOSING = {"{": "}", "[": "]"}


def read_head(stream: Readable) -> Head:
    """What the beginning of a stream of unpacked bytes shows.

    Raises BrokenFile for damaged compressed data, and for CSV whose header is not in UTF-8.
    """
    return describe_head(*read_beginning(stream))


def describe_head(beginning: bytes, is_whole: bool) -> Head:
    """What a file shows that begins with these bytes, or consists of them."""
    content = beginning.removeprefix(UTF8_BOM).lstrip(BLANKS)
    first = content[:1]
    if first == b"[":
        return Head(JSON_ARRAY, tuple(_parse_elements(content)))
    if first == b"{":
        return _describe_object(content, is_whole)
    assignment = find_assignment(beginning)
    if assignment is not None:
        variable, start = assignment
        value = beginning[start:]
        values = _parse_elements(value) if value.startswith(b"[") else _parse_cut(_decode(value))
        return Head(JS, tuple(values), variable=variable)
    lines = content.split(b"\n")
    if is_json(lines[0]) or any(map(_is_document, lines)):
        return Head(JSON_LINES, tuple(_parse_lines(content, is_whole)))
    form = find_csv_format(beginning, is_whole)
    return Head(CSV, columns=form.columns) if form else NOTHING_KNOWN


def read_csv_format(stream: Readable) -> CsvFormat | None:
    """The format of a CSV file, from its beginning. Raises BrokenFile."""
    return find_csv_format(*read_beginning(stream))


def read_beginning(stream: Readable) -> tuple[bytes, bool]:
    """The first bytes of a stream, with a whole value or line in them if one ends early enough, and whether they are
    all of it."""
    beginning, is_whole = _read_on(stream, b"", HEAD_BYTES)
    if not is_whole and b"\n" not in beginning[HEAD_BYTES // 2 :]:
        beginning, is_whole = _read_on(stream, beginning, LONGEST_HEAD_BYTES)
    return beginning, is_whole


def _read_on(stream: Readable, beginning: bytes, size: int) -> tuple[bytes, bool]:
    while len(beginning) < size:
        chunk = stream.read(size - len(beginning))
        if not chunk:
            return beginning, True
        beginning += chunk
    return beginning, False


def _describe_object(content: bytes, is_whole: bool) -> Head:
    """The head of a file that begins with an object: one object over many lines, or one a line."""
    if _is_single_object(content, is_whole):
        return Head(JSON_OBJECT, tuple(_parse_cut(_decode(content))))
    return Head(JSON_LINES, tuple(_parse_lines(content, is_whole)))


def _is_single_object(content: bytes, is_whole: bool) -> bool:
    line, _, rest = content.partition(b"\n")
    if is_json(line):
        return is_whole and not rest.strip(BLANKS)
    return not any(map(_is_document, rest.split(b"\n")))


def _is_document(line: bytes) -> bool:
    return line.startswith(b"{") and is_json(line)


def _parse_lines(content: bytes, is_whole: bool) -> list[object]:
    """The first lines that are JSON; if none is whole, what there is of the first."""
    lines = content.split(b"\n")
    values: list[object] = []
    size = 0
    for line in lines if is_whole or len(lines) == 1 else lines[:-1]:
        if len(values) == HEAD_VALUES or size > HEAD_BYTES:
            break
        size += len(line)
        if line.strip(BLANKS) and is_json(line):
            values.append(parse_json(line))
    return values or _parse_cut(_decode(lines[0]))


def _parse_elements(content: bytes) -> list[object]:
    """The first elements of an array; if none is whole, what there is of the first."""
    text = _decode(content)
    place = skip_blanks(text, 1)
    values: list[object] = []
    while len(values) < HEAD_VALUES and place < HEAD_BYTES:
        try:
            value, end = parse_value_at(text, place)
        except (ValueError, RecursionError):
            return values or _parse_cut(text[place:])
        values.append(value)
        place = skip_blanks(text, end)
        if text[place : place + 1] != ",":
            break
        place = skip_blanks(text, place + 1)
    return values


def _parse_cut(text: str) -> list[object]:
    """The object or list that a text begins with, up to where it is cut; nothing where that is not JSON."""
    open_brackets: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        found = token[0]
        if found == '"':
            break
        if found in _CLOSING:
            open_brackets.append(_CLOSING[found])
            end = token.end()
        elif found in ("}", "]"):
            if not open_brackets:
                break
            open_brackets.pop()
            end = token.end()
            if not open_brackets:
                break
        elif found == ",":
            end = token.start()
    try:
        return [parse_value_at(text[:end] + "".join(reversed(open_brackets)), 0)[0]]
    except (ValueError, RecursionError):
        return []


def _decode(content: bytes) -> str:
    """The text of bytes, up to the first one that is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        return content[: error.start].decode("utf-8")
