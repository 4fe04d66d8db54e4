"""Reading: the documents of landing files as rows of the Extract checkpoint."""

from collections.abc import Iterator
from typing import BinaryIO

from spark_jobs.extraction.archives import open_member
from spark_jobs.extraction.array_pieces import parse_array_piece
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.compression import open_export
from spark_jobs.extraction.documents import Row, build_document_row
from spark_jobs.extraction.errors import BrokenFile, describe_parse_error
from spark_jobs.extraction.json_texts import JsonText, read_lines, read_texts
from spark_jobs.extraction.parsing import BLANKS, TOO_DEEP, parse_json
from spark_jobs.extraction.splitting import WHOLE_FILE
from spark_jobs.messages.jobs import FileFault
from spark_jobs.schemas import NOT_JSON


class BrokenSource(Exception):
    """A file that is broken as a whole, by its name in the batch; without an offset, it could not be read."""

    def __init__(self, source: Source, offset: int | None, reason: str) -> None:
        super().__init__(
            f"{source.file}: {reason}" if offset is None else f"{source.file}: at byte {offset:,}: {reason}"
        )
        self.fault = FileFault(source.file, offset, reason)


def read_documents(source: Source, careful: bool = True) -> Iterator[tuple[Row, int]]:
    """The rows of a source, each with the length of its text. Raises BrokenSource where the file is broken."""
    try:
        is_streamed = careful or source.member or source.fault
        elements = None if is_streamed else parse_array_piece(source.path, source.piece, source.folder)
        if elements is not None:
            for offset, text, value in elements:
                yield build_document_row(value, text) | {"position": offset}, len(text)
            return
        with open_source(source) as stream:
            limit = source.max_document_bytes
            is_whole = source.piece == WHOLE_FILE
            texts = read_texts(stream, limit) if is_whole else read_lines(stream, source.piece, limit)
            for each in texts:
                yield _build_row(each) | {"position": each.offset}, len(each.content)
    except BrokenFile as broken:
        raise BrokenSource(source, broken.offset, broken.reason) from broken
    except RecursionError as error:
        raise BrokenSource(source, source.piece.start, TOO_DEEP) from error
    except OSError as error:
        raise BrokenSource(source, None, f"cannot be read ({error.strerror})") from error


def open_source(source: Source) -> BinaryIO:
    """The unpacked bytes of a file or of a member of an archive, from its start on. Raises OSError and BrokenFile."""
    if source.fault:
        raise BrokenFile(source.fault.byte_offset or 0, source.fault.reason)
    if source.member:
        return open_member(source.path, source.member, source.max_unpacked_bytes, source.folder)
    return open_export(source.path, source.max_unpacked_bytes, source.folder)


def _build_row(text: JsonText) -> Row:
    """The row of a document; that of a line that is not JSON holds its text and the parser's reason."""
    try:
        value = parse_json(text.content)
        return build_document_row(value, text.content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        fault = ValueError(TOO_DEEP) if isinstance(error, RecursionError) else error
        if not text.is_line:
            raise describe_parse_error(fault, text.content, text.offset, "document") from error
        raw = text.content.decode("utf-8", "backslashreplace").strip(BLANKS.decode())
        return {"fault": NOT_JSON, "reason": str(fault), "raw": raw}
