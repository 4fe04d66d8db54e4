"""Reading the source records of landing files that are not in the native format, and the heads of all files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from spark_jobs.extraction.array_pieces import parse_array_piece
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.compression import Readable
from spark_jobs.extraction.csv_rows import read_rows
from spark_jobs.extraction.errors import BrokenFile, describe_parse_error
from spark_jobs.extraction.heads import read_csv_format, read_head
from spark_jobs.extraction.json_records import LAST_FILLED, find_records
from spark_jobs.extraction.json_texts import JsonText, read_assigned_texts, read_lines, read_texts
from spark_jobs.extraction.parsing import BLANKS, TOO_DEEP, UTF8_BOM, parse_json
from spark_jobs.extraction.reading import BrokenSource, open_source
from spark_jobs.extraction.source_record import SourceRecord
from spark_jobs.extraction.splitting import WHOLE_FILE
from spark_jobs.schemas import NOT_JSON
from spark_jobs.sources.heads import CSV, JS, JSON_OBJECT, Head

READ_BYTES = 8 << 20
"""How much of a file is read at a time."""


@dataclass(frozen=True)
class SourceRecords:
    """The records of a file, to be read once, and what the file says beside them."""

    enclosing: Mapping[str, object]
    records: Iterator[SourceRecord]


def look_at_source(source: Source) -> Head:
    """The head of a file or a member of an archive. Raises BrokenSource."""
    with refuse_broken(source), open_source(source) as stream:
        return read_head(stream)


def read_source_records(
    source: Source,
    head: Head,
    names: Sequence[str] = (),
    paths: Sequence[str] = (),
    choice: str = LAST_FILLED,
    careful: bool = True,
) -> SourceRecords:
    """The records of a source that has this head. Raises BrokenSource, also when they are read.

    `names`: those of the columns of CSV, as many as `head.columns`. `paths`: where the list may be that holds the
    records of one JSON object; of one in which none of them leads to a list, the object is the only record. `choice`
    says which list counts if it stands twice: json_records.LAST_FILLED, LAST or FIRST. `careful`: as of
    `read_documents`.
    """
    if head.kind == JSON_OBJECT and paths:
        with refuse_broken(source), open_source(source) as stream:
            found = _read_object(stream, paths, choice, source.max_document_bytes)
        if found:
            return found
    enclosing = {"variable": head.variable} if head.kind == JS else {}
    return SourceRecords(enclosing, _read_all(source, head, names, careful))


@contextmanager
def refuse_broken(source: Source) -> Iterator[None]:
    """Turns whatever is wrong with a file into BrokenSource."""
    try:
        yield
    except BrokenFile as broken:
        raise BrokenSource(source, broken.offset, broken.reason) from broken
    except RecursionError as error:
        raise BrokenSource(source, source.piece.start, TOO_DEEP) from error
    except OSError as error:
        raise BrokenSource(source, None, f"cannot be read ({error.strerror})") from error


def _read_all(source: Source, head: Head, names: Sequence[str], careful: bool) -> Iterator[SourceRecord]:
    with refuse_broken(source):
        if head.kind == CSV:
            yield from _read_csv(source, names or head.columns)
            return
        elements = None if careful or source.member else parse_array_piece(source.path, source.piece, source.folder)
        if elements is not None:
            for offset, text, value in elements:
                yield SourceRecord(offset, text, value)
            return
        with open_source(source) as stream:
            yield from map(parse_text, _read_json_texts(stream, source, head))


def _read_csv(source: Source, names: Sequence[str]) -> Iterator[SourceRecord]:
    with open_source(source) as stream:
        form = read_csv_format(stream)
    if form is None or len(form.columns) != len(names):
        raise BrokenFile(0, "changed while it was read: write it as NAME.tmp, and rename it once it is whole")
    with open_source(source) as stream:
        if source.piece.start:
            stream.seek(source.piece.start)
        yield from read_rows(stream, form, names, source.max_document_bytes, source.piece)


def _read_json_texts(stream: BinaryIO, source: Source, head: Head) -> Iterator[JsonText]:
    limit = source.max_document_bytes
    if head.kind == JS:
        return read_assigned_texts(stream, limit)
    return read_texts(stream, limit) if source.piece == WHOLE_FILE else read_lines(stream, source.piece, limit)


def parse_text(text: JsonText) -> SourceRecord:
    """The record of a JSON text. A line that is not JSON has a fault."""
    try:
        return SourceRecord(text.offset, text.content.decode("utf-8"), parse_json(text.content))
    except ValueError as error:
        if not text.is_line:
            raise describe_parse_error(error, text.content, text.offset, "document") from error
        raw = text.content.decode("utf-8", "backslashreplace").strip(BLANKS.decode())
        return SourceRecord(text.offset, raw, None, NOT_JSON, str(error))


def _read_object(stream: Readable, paths: Sequence[str], choice: str, limit: int) -> SourceRecords | None:
    """The records of a file that is one JSON object; None where it is none, or no path leads to a list in it."""
    content = _read_whole(stream, limit)
    if content is None:
        return None
    try:
        text = content.removeprefix(UTF8_BOM).decode("utf-8")
        found = find_records(text, paths, choice)
    except (ValueError, RecursionError):
        return None
    if found is None:
        return None
    start = len(UTF8_BOM) if content.startswith(UTF8_BOM) else 0
    return SourceRecords(found.others, found.list_records(start))


def _read_whole(stream: Readable, limit: int) -> bytes | None:
    """All that a stream holds; None where that is more than the limit."""
    parts: list[bytes] = []
    size = 0
    while chunk := stream.read(READ_BYTES):
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            return None
    return b"".join(parts)
