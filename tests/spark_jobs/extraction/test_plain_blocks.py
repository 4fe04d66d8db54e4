"""Plain documents are read at once, as the strict reader reads them; where one is not plain, it reads on."""

import gzip
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.extraction import plain_blocks
from spark_jobs.extraction.assignments import Assignment, Source
from spark_jobs.extraction.members import Member
from spark_jobs.extraction.parts import write_part
from spark_jobs.extraction.plain_blocks import read_plain_blocks
from spark_jobs.extraction.reading import read_documents
from spark_jobs.extraction.splitting import WHOLE_FILE, Piece
from spark_jobs.messages import FileFault
from spark_jobs.schemas import DOCUMENTS

Rows = list[dict[str, Any]]
U1, U2 = '{"user_id": "u1", "posts": []}', '{"user_id": "u2", "posts": []}'


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(plain_blocks, "LEAST_BYTES", 1)
    monkeypatch.setattr(plain_blocks, "BLOCK_BYTES", 1)
    monkeypatch.setattr(plain_blocks, "FIRST_BLOCK_BYTES", 1)


def read_at_once(path: Path, piece: Piece = WHOLE_FILE) -> tuple[Rows, list[Piece]]:
    """The rows of plain blocks, and the pieces that are left to the strict reader."""
    found = list(read_plain_blocks(Source("f", path, piece), "b"))
    left = [each.piece for each in found if isinstance(each, Source)]
    return [row for each in found if isinstance(each, pa.RecordBatch) for row in each.to_pylist()], left


def read_strictly(path: Path) -> Rows:
    rows = [{"batch": "b", "file": "f"} | row for row, _ in read_documents(Source("f", path))]
    return pa.RecordBatch.from_pylist(rows, DOCUMENTS).to_pylist()


PLAIN = [
    *(
        '{"user_id": "u1", "username": "é", "email": "", "age": 0, "posts": []}',
        '{"posts": [], "name": "\\u0000", "user_id": " \\ud83d\\ude00\\/\\n", "age": 18446744073709551615}',
        f'{{"user_id": "{"é" * 400}", "date_created": null, "posts": []}}',
    ),
    '{"user_id": "u", "posts": [{"post_id": "p", "comments": [], "tags": [], "reactions": {}}]}',
    '{"user_id": "u", "posts": [{"post_id": "p", "comments": [{}], "tags": [null, ""], "reactions": {"wow": 1}}]}',
    '{"user_id": "u", "posts": [{"post_id": "p", "comments": [{"user_id": "", "comment": "c", "timestamp": null}], '
    '"post_text": "t", "location": "l", "shares": 12, "timestamp": "2023-01-01", "tags": null, "reactions": null}]}',
]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("start", "separator", "end"),
    [
        ("[\n    ", ",\n    ", "\n]\n"),
        (" [\r\n\t", ",\r\n\t", "]"),
        ("\n[\n", " ,\n\n", " \n ]"),
        ("", "\n", ""),
        ("", " \r\n", "\n\n"),
    ],
)
def test_read_plain_blocks__reads_what_the_strict_reader_reads(
    tmp_path, monkeypatch, block_bytes, mark, start, separator, end
):
    monkeypatch.setattr(plain_blocks, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(plain_blocks, "FIRST_BLOCK_BYTES", block_bytes)
    (tmp_path / "f").write_bytes((mark + start + separator.join(PLAIN) + end).encode())
    assert read_at_once(tmp_path / "f") == (read_strictly(tmp_path / "f"), [])


def post(members: str) -> str:
    return f'{{"user_id": "u", "posts": [{{"post_id": "p", "comments": [], {members}}}]}}'


def test_read_plain_blocks__reads_pretty_documents(tmp_path):
    pretty = (
        '{\n        "user_id": "u",\n        "posts": [\n            {"post_id": "p", "comments": []}\n        ]\n    }'
    )
    (tmp_path / "f").write_text(f"[\n    {pretty},\n    {pretty}\n]")
    assert read_at_once(tmp_path / "f") == (read_strictly(tmp_path / "f"), [])


NOT_PLAIN = [
    *(
        f'{{"user_id": "u", "posts": [], "age": {value}}}'
        for value in ("-0", "-1", "7.0", "1e2", "1e400", "true", '"7"')
    ),
    *(f'{{"user_id": "u", "posts": [], "name": {value}}}' for value in ("1", "false", "[]", "{}", '"\\ud800"')),
    '{"user_id": "u", "posts": [], "age": 18446744073709551616}',
    '{"user_id": "u", "posts": [], "user_id": "v"}',
    '{"user_id": "u", "posts": [], "posts": []}',
    '{"user_id": "u", "posts": [], "\\u0061ge": 1, "age": 1}',
    '{"user_id": "u", "posts": [], "age": null, "age": null}',
    '{"user_id": "u", "posts": [], "karma": 1}',
    '{"user_id": "u", "posts": [], "position": 3}',
    '{"user_id": "u", "posts": null}',
    '{"user_id": "u"}',
    '{"user_id": "u", "posts": {}}',
    '{"user_id": "u", "posts": [null]}',
    *(
        f'{{"user_id": {value}, "posts": []}}'
        for value in ("null", "7", '""', '"\\u0000 "', '"\\u3000"', f'"{"é" * 401}"')
    ),
    "{}",
    *(post(f'"post_id": {value}') for value in ('"q"', "null")),
    '{"user_id": "u", "posts": [{"comments": []}]}',
    '{"user_id": "u", "posts": [{"post_id": "p"}]}',
    '{"user_id": "u", "posts": [{"post_id": " ", "comments": []}]}',
    '{"user_id": "u", "posts": [{"post_id": "p", "comments": [null]}]}',
    '{"user_id": "u", "posts": [{"post_id": "p", "comments": [{"user_id": 7}]}]}',
    '{"user_id": "u", "posts": [{"post_id": "p", "comments": [{"position": 7}]}]}',
    *(post(f'"shares": {value}') for value in ("-0", "1.0", '"1"')),
    *(post(f'"tags": {value}') for value in ("[1]", '"a"', "{}")),
    *(post(f'"reactions": {value}') for value in ("[]", '{"like": -0}', '{"care": 1}', '{"like": 1, "like": 1}')),
]


@pytest.mark.parametrize("text", NOT_PLAIN)
@pytest.mark.parametrize(("start", "separator", "end"), [("[\n ", ",\n ", "]"), ("", "\n", "")])
def test_read_plain_blocks__leaves_a_document_that_is_not_plain(tmp_path, start, separator, end, text):
    (tmp_path / "f").write_text(start + separator.join([U1, text, U2]) + end)
    found, [piece] = read_at_once(tmp_path / "f")
    whole = read_strictly(tmp_path / "f")
    assert found == [whole[0], whole[2]]
    left = [row["position"] for row, _ in read_documents(Source("f", tmp_path / "f", piece), careful=False)]
    assert left == [whole[1]["position"]]


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_read_plain_blocks__are_none_where_the_first_is_not_plain(tmp_path, text):
    (tmp_path / "f").write_text(f"{text}\n{U1}\n{U2}")
    assert read_at_once(tmp_path / "f") == ([], [WHOLE_FILE])


@pytest.mark.parametrize(
    "content",
    [
        b"[\n%b,\n%b] x",
        b"[\n%b,\n%b,\n]",
        b"[\n%b,\n%b",
        b"[\n%b,\n%b}",
        b"[\n%b,\n%b,",
        b"[\n%b,\n%b %b]",
        b"[\n%b,\n%b, %b]",
        b"[\n%b,\n%b}]",
        b"[\n%b,\n%b\0]",
        b"[\n%b,\n%b, null]",
        b'[\n%b,\n%b, {"position": 5, "user_id": "u1", "posts": []}]',
        b'[\n%b,\n%b]} null {"documents": [{}]',
        b'[\n%b,\n%b]} null {"documents": []',
        b'[\n%b,\n{"user_id": "u1", "posts": [], "name": "\xff"}]',
        b'[\n%b,\n{"user_id": "u1", "posts": [], "name": "\xed\xa0\x80"}]',
        b'[\n%b,\n{"user_id": "u1", "posts": [], "name": "a\tb"}]',
        b'[\n%b,\n{"user_id": "u1", "posts": [], "age": NaN}]',
        b'[\n%b,\n{"user_id": "u1", "posts": [], "age": 01}]',
        b'[\n%b,\n{"user_id": "u1", "posts": [],}]',
        b"%b\n%b,",
        b"%b\n%b %b",
        b"%b\n%b, %b",
        b'%b\n{"user_id": "u1",\n"posts": []}',
        b'%b\n{"user_id": "u1", "posts": []\n}',
        b"%b\n\n\n%b x",
    ],
)
def test_read_plain_blocks__leaves_what_may_be_damage_to_the_strict_reader(tmp_path, content):
    content = content.replace(b"%b", U1.encode())
    (tmp_path / "f").write_bytes(content)
    found, [piece] = read_at_once(tmp_path / "f")
    assert [row["user_id"] for row in found] == ["u1"]
    assert piece.end is None
    assert content[piece.start :].strip() == content[content.index(b"\n", 2) :].strip()


@pytest.mark.parametrize(
    "content",
    [
        f"[{U1}, {U2}]".encode(),
        f"[\n{U1},\nnull]".encode(),
        f"{U1}\n[]".encode(),
        f"{U1}\n {U2}".encode(),
        b"[\n]",
        b"",
        b'{\n"user_id": "u1", "posts": []}',
        b'{"user_id": "u1",\n"posts": []}',
        b'\n"a"\n{"user_id": "u1", "posts": []}',
        f"\ufeff{U1}\n".encode("utf-16"),
        gzip.compress(U1.encode()),
    ],
)
def test_read_plain_blocks__are_none_where_documents_have_no_lines_of_their_own(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    assert read_at_once(tmp_path / "f") == ([], [WHOLE_FILE])


def test_read_plain_blocks__try_few_documents_first(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_blocks, "BLOCK_BYTES", 1 << 20)
    (tmp_path / "f").write_text(f"{U1}\n{{}}\n{U1}")
    assert read_at_once(tmp_path / "f")[1] == [Piece(len(U1), None)]


def test_read_plain_blocks__are_none_in_a_small_file(tmp_path, monkeypatch):
    (tmp_path / "f").write_text(U1)
    monkeypatch.setattr(plain_blocks, "LEAST_BYTES", len(U1) + 1)
    assert read_at_once(tmp_path / "f") == ([], [WHOLE_FILE])
    monkeypatch.setattr(plain_blocks, "LEAST_BYTES", len(U1))
    assert len(read_at_once(tmp_path / "f")[0]) == 1


def test_read_plain_blocks__are_none_in_a_file_that_is_gone(tmp_path):
    assert read_at_once(tmp_path / "f") == ([], [WHOLE_FILE])


@pytest.mark.parametrize("refused", [{"member": Member("m", 0, 1)}, {"fault": FileFault("f", 0, "no source")}])
def test_read_plain_blocks__are_none_in_a_member_of_an_archive_or_a_refused_file(tmp_path, refused):
    (tmp_path / "f").write_text(U1)
    source = Source("f", tmp_path / "f", **refused)
    assert list(read_plain_blocks(source, "b")) == [source]


@pytest.mark.parametrize(
    ("start", "separator", "end"), [("[\n    ", ",\n    ", "\n]\n"), ("[\n", ",\n", "]"), ("", "\n", "\n")]
)
def test_read_plain_blocks__reads_a_piece_of_a_file(tmp_path, start, separator, end):
    content = start + separator.join([U1, U2, "{}", U1]) + end
    (tmp_path / "f").write_text(content)
    second, third, fourth = (content.index("\n", content.index(each)) + 1 for each in (U1, U2, "{}"))
    pieces = [read_at_once(tmp_path / "f", Piece(*each)) for each in pairwise([0, second, fourth, None])]
    assert [left for _, left in pieces] == [[], [Piece(third - 1, fourth)], []]
    whole = read_strictly(tmp_path / "f")
    assert [row for rows, _ in pieces for row in rows] == [*whole[:2], whole[3]]


def test_read_plain_blocks__reads_no_line_without_its_beginning(tmp_path):
    (tmp_path / "f").write_text(f"{U1}\nx{U2[1:]}\n")
    assert read_at_once(tmp_path / "f", Piece(len(U1) + 1)) == ([], [Piece(len(U1) + 1)])


def test_write_part__keeps_the_order_of_plain_and_other_documents(tmp_path):
    contents = [f"[{U1}]", f"[\n{U1},\n{U2},\n{{}},\n{U1}]", f"{U1}\n{U2}", "{}\nx"]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}").write_text(content)
    sources = tuple(Source(f"{number}", tmp_path / f"{number}") for number in range(len(contents)))
    tables = []
    for is_careful in (False, True):
        assignment = Assignment(0, "b", 0, sources, careful=is_careful)
        assert write_part(assignment, tmp_path, tmp_path).part.rows == 9
        tables.append(pq.ParquetFile(assignment.path(tmp_path)))
    assert tables[0].read().equals(tables[1].read())
    assert [table.num_row_groups for table in tables] == [8, 1]
