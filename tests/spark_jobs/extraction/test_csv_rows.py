"""Rows of CSV: any dialect, each with its exact text and place, whole or in pieces; a bad row is no bad file."""

import csv
import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.extraction import csv_rows, splitting
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.csv_format import CsvFormat, find_csv_format
from spark_jobs.extraction.reading import BrokenSource
from spark_jobs.extraction.record_reading import look_at_source, read_source_records
from spark_jobs.extraction.source_record import SourceRecord
from spark_jobs.extraction.splitting import split_file
from spark_jobs.sources.heads import CSV

LIMIT = 1 << 20
MARK = b"\xef\xbb\xbf"


def read(path: Path, content: bytes, limit: int = LIMIT) -> list[SourceRecord]:
    path.write_bytes(content)
    source = Source("f", path, max_document_bytes=limit)
    head = look_at_source(source)
    assert head.kind == CSV
    return list(read_source_records(source, head).records)


def fault(path: Path, content: bytes, limit: int = LIMIT) -> tuple[int | None, str]:
    with pytest.raises(BrokenSource) as broken:
        read(path, content, limit)
    return broken.value.fault.byte_offset, broken.value.fault.reason


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("delimiter", [b",", b";", b"\t", b"|"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", MARK, b"\n\n", b"sep=,\r\n"])
def test_rows__of_any_dialect_are_read_with_their_text_and_place(tmp_path, pack, delimiter, line_end, mark):
    lines = [b'id,"na ""m"" e"', b'1,"Zo\xc3\xab, or\nso"', b"", b",", b"2,", b'"3",x"y']
    content = mark + b"".join(line.replace(b",", delimiter) + line_end for line in lines)
    found = read(tmp_path / "a", pack(content))
    comma = delimiter.decode()
    assert [record.value for record in found] == [
        {"id": "1", 'na "m" e': f"Zoë{comma} or\nso"},
        {"id": "", 'na "m" e': ""},
        {"id": "2", 'na "m" e': ""},
        {"id": "3", 'na "m" e': 'x"y'},
    ]
    for record in found:
        text = record.text.encode()
        assert content[record.offset : record.offset + len(text)].strip() == text.strip()


def test_rows__with_too_many_or_too_few_cells_are_lists_and_others_go_on(tmp_path):
    found = read(tmp_path / "a", b"a,b,c\n1,2,3\n1,2\n1,2,3,4\n4,5,6\n1,2,3,\n7,8,9\n1,1,1\n")
    assert [record.value for record in found if isinstance(record.value, list)] == [
        ["1", "2"],
        ["1", "2", "3", "4"],
        ["1", "2", "3", ""],
    ]
    assert found[1] == SourceRecord(12, "1,2", ["1", "2"])
    assert [record.value["a"] for record in found if isinstance(record.value, dict)] == ["1", "4", "7", "1"]


def test_rows__that_are_no_csv_in_utf8_have_a_fault_each(tmp_path):
    found = read(tmp_path / "a", b'a,b\n1,2\n1,"x" y\n3,\xff\n5,\xc3\xab\n6,nul\0here\n')
    assert [(record.offset, record.fault, record.text) for record in found] == [
        (4, None, "1,2"),
        (8, "not_csv", '1,"x" y'),
        (16, "not_csv", "3,\\xff"),
        (20, None, "5,ë"),
        (25, None, "6,nul\0here"),
    ]
    assert found[1].reason == "',' expected after '\"'"
    assert found[2].reason == "not UTF-8"


def test_rows__after_a_quote_that_is_not_closed_break_the_file(tmp_path):
    reason = "a quote is not closed: the file is cut short, or a quote within a cell is not doubled"
    assert fault(tmp_path / "a", b'a,b\n1,2\n3,4\n5,6\n7,"x\n8,9\n') == (16, reason)
    assert fault(tmp_path / "a", b'a,b\n7,"x\n' + b"8,9\n" * 10_000) == (4, reason)


def test_rows__longer_than_a_document_may_be_break_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 100)
    reason = "a row is longer than the 1,000 bytes that [landing] max_document_bytes allows, or a quote is not closed"
    assert fault(tmp_path / "a", b'a,b\n1,2\n3,4\n5,"' + b"x\n" * 5000, 1000) == (12, reason)
    assert fault(tmp_path / "a", b"a,b\n1,2\n3,4\n5," + b"x" * 5000, 1000) == (12, reason)


def test_rows__are_read_in_bounded_memory(tmp_path):
    (tmp_path / "a").write_bytes(b"a,b\n" + b'1,"x\n y"\n' * 600_000)
    source = Source("f", tmp_path / "a")
    head = look_at_source(source)
    tracemalloc.start()
    try:
        records = read_source_records(source, head).records
        for _ in range(100_000):
            next(records)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_rows__of_utf16_with_a_mark_are_read(tmp_path, encoding):
    content = "\ufeffid\tname\r\n1\tZoë 🐎\r\n".encode(encoding)
    assert read(tmp_path / "a", content) == [SourceRecord(9, "1\tZoë 🐎", {"id": "1", "name": "Zoë 🐎"})]
    assert fault(tmp_path / "a", content[:-1])[1] == "not UTF-16, as its byte order mark says"


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
def test_rows__of_utf32_are_refused(tmp_path, encoding):
    assert fault(tmp_path / "a", "\ufeffid\tname\r\n1\tZoë\r\n".encode(encoding)) == (0, "UTF-32, not UTF-8")


def test_rows__of_a_header_alone_are_none(tmp_path):
    assert read(tmp_path / "a", b"a,b\n") == []


@pytest.mark.parametrize(
    ("content", "columns", "delimiter"),
    [
        (b"a,b;c,d\n1,2,3\n", ("a", "b;c", "d"), ","),
        (b"a;b\n1,5;2\n2,5;3\n", ("a", "b"), ";"),
        (b'"a, b"\t"c"\n', ("a, b", "c"), "\t"),
        (b'a, "b, c"\n1, "2, 3"\n', ("a", "b, c"), ","),
        (b"a,b,a,\n1,2,3,4\n", ("a", "b", "a", ""), ","),
    ],
)
def test_find_csv_format__knows_the_delimiter_by_the_rows(content, columns, delimiter):
    form = find_csv_format(content, is_whole=True)
    assert (form.columns, form.delimiter) == (columns, delimiter)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"Read me first.\nThe exports are below.\n", b"one\ntwo\n", b"Dear all, this\nis\na\ntext\n", b",,\n"],
)
def test_find_csv_format__is_none_for_a_text(content):
    assert find_csv_format(content, is_whole=True) is None


def test_rows__of_tab_separated_values_may_hold_quotes_as_they_are(tmp_path):
    content = b'id\ttext\n1\t"an open quote\n2\t"a "quoted" word\n3\tx\n'
    assert [record.value["text"] for record in read(tmp_path / "a", content)] == [
        '"an open quote',
        '"a "quoted" word',
        "x",
    ]
    quoted = b'id\ttext\n1\t"a ""word"""\n2\t"bad "word""\n3\t"x"\n'
    assert [record.fault for record in read(tmp_path / "a", quoted)] == [None, "not_csv", None]


def test_header__that_is_not_utf8_breaks_the_file(tmp_path):
    assert fault(tmp_path / "a", b"id,gr\xf6\xdfe\n1,2\n") == (5, "not UTF-8")


cells = st.text(st.sampled_from('ab,;"\n\r \té\0'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells, cells), max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 60),
)
def test_rows__that_were_written_are_read_back(tmp_path_factory, rows, delimiter, line_end, block):
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(
        [("x", "y", "z"), *rows]
    )
    content = written.getvalue().encode()
    stream = io.BytesIO(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "BLOCK_BYTES", block)
        found = list(csv_rows.read_rows(stream, CsvFormat(("x", "y", "z"), delimiter), ("x", "y", "z"), LIMIT))
    assert [tuple(record.value.values()) for record in found] == rows
    for record in found:
        text = record.text.encode()
        assert content[record.offset : record.offset + len(text)] == text


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells, cells), min_size=30, max_size=60),
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from([b'"', b",", b"\n", b"\xff"])), max_size=2),
)
def test_rows__of_all_pieces_are_those_of_the_file_or_a_piece_is_broken(tmp_path_factory, rows, damage):
    """Small pieces, whose starts are guessed with less care than is usual: what counts is that a wrong one shows."""
    path = tmp_path_factory.getbasetemp() / "pieces"
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows([("x", "y", "z"), *rows])
    content = bytearray(written.getvalue().encode())
    for place, byte in damage:
        content[place % len(content) : place % len(content)] = byte
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "PIECE_BYTES", 60)
        patch.setattr("spark_jobs.extraction.csv_format.ROWS_AFTER_START", 1)
        try:
            head = look_at_source(Source("f", path))
        except BrokenSource:
            return
        if head.kind != CSV:
            return
        pieces = split_file(path)
        try:
            whole = list(read_source_records(Source("f", path), head).records)
        except BrokenSource:
            whole = None
        try:
            parts = [
                record for piece in pieces for record in read_source_records(Source("f", path, piece), head).records
            ]
        except BrokenSource:
            return  # the file is read again as a whole
    assert parts == whole


def test_pieces__of_csv_with_quoted_lines_make_up_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(splitting, "PIECE_BYTES", 10_000)
    (tmp_path / "a").write_bytes(b"id,text\n" + b"".join(b'%d,"a text,\nof two lines"\n' % n for n in range(4_000)))
    pieces = split_file(tmp_path / "a")
    assert len(pieces) > 5
    head = look_at_source(Source("f", tmp_path / "a"))
    ids = [
        record.value["id"]
        for piece in pieces
        for record in read_source_records(Source("f", tmp_path / "a", piece), head).records
    ]
    assert ids == [str(n) for n in range(4_000)]


def test_pieces__of_csv_in_utf16_or_packed_is_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(splitting, "PIECE_BYTES", 100)
    text = "id,text\n" + "1,2\n" * 1000
    for content in (text.encode("utf-16"), gzip.compress(text.encode(), compresslevel=0)):
        (tmp_path / "a").write_bytes(content)
        assert split_file(tmp_path / "a") == [splitting.WHOLE_FILE]
