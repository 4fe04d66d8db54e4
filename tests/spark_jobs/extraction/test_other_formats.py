"""Files that are neither JSON nor CSV are refused with a sentence that says what they look like."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.csv_format import find_csv_format
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.reading import BrokenSource, read_documents


def make_zip(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "[]")
    return packed.getvalue()


def make_tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.json"))
    return packed.getvalue()


def make_parquet() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"user_id": ["u1"]}), written)
    return written.getvalue()


FORMATS = {
    "csv that is read as json": (b"user_id,name\r\n1,Zo\xc3\xab\r\n", "plain text"),
    "readme": (b"Read me first.\nThe exports are below.\n", "plain text"),
    "one word": (b"nonsense", "plain text"),
    "xlsx": (make_zip("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook or another Office document"),
    "xls": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99,
        "an Excel workbook or another document of old Office programs",
    ),
    "zip": (make_zip("a.json"), "a zip archive inside of another file"),
    "empty zip": (make_zip(), "a zip archive inside of another file"),
    "tar": (make_tar(), "a tar archive inside of another file"),
    "parquet": (make_parquet(), "a Parquet file"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "an image"),
    "pdf": (b"%PDF-1.7\n", "a PDF document"),
    "html": (b"\xef\xbb\xbf\n <!DOCTYPE html>\n<html>502</html>", "an HTML page, such as that of an error or a login"),
    "html with a line of json": (b"<html>\n{}\n</html>", "an HTML page, such as that of an error or a login"),
    "xml": (b'<?xml version="1.0"?><users/>', "XML"),
    "gzip": (gzip.compress(b"[]"), "a file packed twice by gzip"),
    "bzip2": (bz2.compress(b"[]"), "a file packed twice by bzip2"),
    "xz": (lzma.compress(b"[]"), "a file packed twice by xz"),
    "zstd": (zstandard.compress(b"[]"), "a file packed twice by zstd"),
    "bytes": (b"\x01\0\x02", "binary data"),
}
"""Content, and what it is said to look like. Packed once more, it is found out as well."""


def find_reason(tmp_path, content: bytes) -> str:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BrokenSource) as broken:
        list(read_documents(Source("f", tmp_path / "a")))
    assert broken.value.fault.byte_offset == 0
    return broken.value.fault.reason


@pytest.mark.parametrize("name", FORMATS)
def test_read_documents__says_what_a_file_looks_like_that_is_not_read(tmp_path, name):
    content, what = FORMATS[name]
    reason = (
        f"it looks like {what}; JSON (an array, one object, or one a line) and CSV are read, in UTF-8, plain or "
        "packed by gzip, bzip2, xz or zstd, also in a zip or tar archive"
    )
    packed = gzip.compress(content)
    assert find_reason(tmp_path, packed) == reason
    if "packed twice" not in what:
        assert find_reason(tmp_path, content) == reason


def test_find_csv_format__takes_no_packed_file_for_csv_because_its_second_has_a_tab():
    packed = gzip.compress(b"[" + b" " * 100_000 + b"]", mtime=ord("\t"))
    with pytest.raises(BrokenFile, match="a file packed twice by gzip"):
        find_csv_format(packed, is_whole=True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ['[{"user_id": "u1"}]', '{"user_id": "u1"}\n{"user_id": "u2"}\n'])
def test_read_documents__refuses_utf_16_and_32_with_a_mark_and_without(tmp_path, encoding, text):
    assert find_reason(tmp_path, text.encode(encoding)) == f"{encoding[:6].upper()}, not UTF-8"


def test_read_documents__takes_lines_for_lines_where_one_is_a_document(tmp_path):
    (tmp_path / "a").write_bytes(b'user_id,name\n{"user_id": "u1"}\n')
    found = [row for row, _ in read_documents(Source("f", tmp_path / "a"))]
    assert [row.get("fault") for row in found] == ["not_json", None]
