"""What kind of CSV a file is: its delimiter and its header, seen from its beginning."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from spark_jobs.extraction.errors import NOT_UTF8, BrokenFile
from spark_jobs.extraction.other_formats import DELIMITERS, UTF32, refuse_other_formats
from spark_jobs.extraction.parsing import UTF8_BOM, UTF16_BOMS, UTF32_BOMS

COMPARED_ROWS = 50
"""Rows after the header that are looked at to find the delimiter."""
FEWEST_AS_WIDE = 0.5
"""The least share of these rows that have as many cells as the header. Less is a text that happens to have commas."""
ROWS_AFTER_START = 10
"""Rows that have to be as wide as the header where a row seems to start."""
TRIED_LINES = 500
"""Lines after which a row is supposed to start, at most."""
TAB = "\t"
UNCLOSED_QUOTE = "unexpected end of data"
"""What the parser says of a quote that is not closed."""
EXCEL_HINT = "sep="
"""How a first line begins that tells Excel the delimiter."""


@dataclass(frozen=True)
class CsvFormat:
    """The header of a file and its delimiter; whether blanks after a delimiter do not count, so that a quote may follow
    them; how many lines stand before the header; whether the file is UTF-16; whether a quote is a letter like others,
    as in tab-separated values."""

    columns: tuple[str, ...]
    delimiter: str
    skips_blanks: bool = False
    lines_before: int = 0
    is_utf16: bool = False
    is_unquoted: bool = False

    def read_rows(self, lines: Iterator[str] | Sequence[str]) -> Iterator[list[str]]:
        """The cells of each row. A row with a quote in a wrong place is an error; the next begins on the next line."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            skipinitialspace=self.skips_blanks,
            quoting=csv.QUOTE_NONE if self.is_unquoted else csv.QUOTE_MINIMAL,
            strict=True,
        )


def find_csv_format(head: bytes, is_whole: bool) -> CsvFormat | None:
    """The format of a file that begins with these bytes, or consists of them; None where it is no CSV.

    Raises BrokenFile where its header is not in UTF-8.
    """
    if head.startswith(UTF32_BOMS):
        raise BrokenFile(0, UTF32)
    is_utf16 = head.startswith(UTF16_BOMS)
    text = (
        head.decode("utf-16", "replace") if is_utf16 else head.removeprefix(UTF8_BOM).decode("utf-8", "surrogateescape")
    )
    lines = list(io.StringIO(text, newline=""))
    before = 0
    while before < len(lines) and (not lines[before].strip() or lines[before].lower().startswith(EXCEL_HINT)):
        before += 1
    best = max((_measure(lines[before:], delimiter, is_whole) for delimiter in DELIMITERS), key=_Measured.rank)
    is_unquoted = False
    if best.form.delimiter == TAB:
        unquoted = _measure(lines[before:], TAB, is_whole, is_unquoted=True)
        is_unquoted = unquoted.share > best.share and not unquoted.has_quoted_cell
    if best.share < FEWEST_AS_WIDE:
        return None
    header = best.header
    _require_utf8("".join(header), head)
    if best.form.skips_blanks:
        header = [column.strip() for column in header]
    return replace(best.form, columns=tuple(header), lines_before=before, is_utf16=is_utf16, is_unquoted=is_unquoted)


def find_row_end(content: bytes, form: CsvFormat, start: int = 0) -> int | None:
    """The offset of a line end in a part of a file that starts at byte `start` after which a row seems to begin: the
    next ones are as wide as the header. None where there is none; a guess, as the line may be one of a quoted cell."""
    text = content.decode("utf-8", "surrogateescape")
    lines = list(io.StringIO(text, newline=""))[:-1]
    place = start
    for number, line in enumerate(lines[:TRIED_LINES]):
        place += len(line.encode("utf-8", "surrogateescape"))
        if line.endswith("\n") and _are_rows(lines[number + 1 :], form):
            return place - 1
    return None


def _are_rows(lines: list[str], form: CsvFormat) -> bool:
    rows = form.read_rows(lines)
    try:
        return all(len(next(rows)) == len(form.columns) for _ in range(ROWS_AFTER_START))
    except (csv.Error, StopIteration):
        return False


@dataclass(frozen=True)
class _Measured:
    """A file cut by a delimiter: its header, the share of rows that are as wide, and whether a cell is quoted."""

    form: CsvFormat
    header: list[str]
    share: float
    has_quoted_cell: bool

    def rank(self) -> tuple[float, int]:
        return self.share, len(self.header)


def _measure(lines: list[str], delimiter: str, is_whole: bool, is_unquoted: bool = False) -> _Measured:
    skips_blanks = bool(lines) and f'{delimiter} "' in lines[0] and not is_unquoted
    form = CsvFormat((), delimiter, skips_blanks, is_unquoted=is_unquoted)
    reader = form.read_rows(lines if is_whole else lines[:-1] or lines)
    rows: list[list[str]] = []
    while len(rows) <= COMPARED_ROWS:
        try:
            rows.append(next(reader))
        except StopIteration:
            break
        except csv.Error as error:
            if str(error) != UNCLOSED_QUOTE:  # there the beginning ends
                rows.append([""])
    header, *others = rows or [[]]
    others = [row for row in others if row]
    if len(header) < 2 or not any(cell.strip() for cell in header):
        return _Measured(form, [], 0, False)
    share = sum(len(row) == len(header) for row in others) / len(others) if others else 1
    has_quoted_cell = any(len(cell) > 1 and cell[0] == cell[-1] == '"' for row in rows for cell in row)
    return _Measured(form, header, round(share, 1), has_quoted_cell)


def _require_utf8(text: str, head: bytes) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse_other_formats(head)  # a packed file may have a tab in its first bytes, as in the time of gzip
        try:
            head.decode()
        except UnicodeDecodeError as error:
            raise BrokenFile(error.start, NOT_UTF8) from error
