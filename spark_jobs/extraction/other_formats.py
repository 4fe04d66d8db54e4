"""What a landing file looks like that is not read, by its first bytes: an Excel workbook, an error page, an image."""

import re

from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.parsing import BLANKS, UTF8_BOM, UTF16_BOMS, UTF32_BOMS

HEAD_BYTES = 4096
"""How much of a file is looked at."""
ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
"""First bytes of a zip archive, of an empty one, and of one that could have been split."""
SIGNATURES = (
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook or another document of old Office programs"),
    *((signature, "a zip archive inside of another file") for signature in ZIP_SIGNATURES),
    (b"\x1f\x8b", "a file packed twice by gzip"),
    (b"BZh", "a file packed twice by bzip2"),
    (b"\x28\xb5\x2f\xfd", "a file packed twice by zstd"),
    (b"\xfd7zXZ\0", "a file packed twice by xz"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"RIFF", "an image, a sound or a video"),
    (b"\x7fELF", "a program"),
)
"""First bytes, and what a file is that begins with them."""
OFFICE = (b"[Content_Types].xml", b"xl/", b"application/vnd.oasis.opendocument")
"""What stands at the beginning of zip archives that are documents of an office program."""
OFFICE_DOCUMENT = "an Excel workbook or another Office document"
TAR_PLACE, TAR_SIGNATURE = 257, b"ustar"
UTF32 = "UTF-32, not UTF-8"
DELIMITERS = ",;\t|"
"""What separates the columns of CSV."""

_UTF16_BRACKET = re.compile(rb"\0[\[{]|[\[{]\0")
_UTF32_BRACKET = re.compile(rb"\0{3}[\[{]|[\[{]\0{3}")
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)


def refuse_other_formats(head: bytes) -> None:
    """Raise BrokenFile where the first bytes of a file tell for sure that it is not JSON in UTF-8."""
    if head.startswith(UTF32_BOMS) or _UTF32_BRACKET.match(head):
        raise BrokenFile(0, UTF32)
    if head.startswith(UTF16_BOMS) or _UTF16_BRACKET.match(head):
        raise BrokenFile(0, "UTF-16, not UTF-8")
    what = _recognize(head[:HEAD_BYTES])
    if what:
        raise make_format_error(what)


def make_format_error(what: str) -> BrokenFile:
    """Why a file that is something else is broken."""
    return BrokenFile(
        0,
        f"it looks like {what}; JSON (an array, one object, or one a line) and CSV are read, in UTF-8, plain or "
        "packed by gzip, bzip2, xz or zstd, also in a zip or tar archive",
    )


def _recognize(head: bytes) -> str:
    """What begins with these bytes; "" where that may be JSON, or a text whose lines may."""
    for signature, what in SIGNATURES:
        if head.startswith(signature):
            is_office = signature in ZIP_SIGNATURES and any(name in head for name in OFFICE)
            return OFFICE_DOCUMENT if is_office else what
    if head[TAR_PLACE:].startswith(TAR_SIGNATURE):
        return "a tar archive inside of another file"
    text = head.removeprefix(UTF8_BOM).lstrip(BLANKS)
    if _HTML.match(text):
        return "an HTML page, such as that of an error or a login"
    return "XML" if text.startswith(b"<") else ""


def describe_text(content: bytes) -> str:
    """What a file most likely is that neither begins as JSON does nor as anything else that is known."""
    return "binary data" if b"\0" in content[:HEAD_BYTES] else "plain text"
