"""Plain CSV and JSON Lines are mapped in columns, as record by record; what is not plain is told."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from golden_exports import GOLDENS, SOURCES

from spark_jobs.extraction import plain_blocks, plain_lines, plain_rows, record_reading
from spark_jobs.extraction.assignments import Assignment, FileFormat, Source
from spark_jobs.extraction.mapping import MappedFile
from spark_jobs.extraction.parts import write_part
from spark_jobs.extraction.plain_lines import LineBlocks
from spark_jobs.extraction.plain_rows import CsvBlocks
from spark_jobs.extraction.reading import open_source
from spark_jobs.extraction.record_reading import look_at_source
from spark_jobs.extraction.splitting import Piece
from spark_jobs.sources.catalog import compile_source, list_tables
from spark_jobs.sources.detection import detect
from spark_jobs.sources.simple_tables import may_map_columns

REDDIT = '{"author": "u%d", "id": "c", "link_id": "t3_a", "body": "b", "created_utc": 1600000000, "score": -1}'
COMMENTS = 'post_id,user_id,comment\np1,u1,"a, b"\r\np2,,\n'


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(plain_blocks, "LEAST_BYTES", 1)
    monkeypatch.setattr(plain_rows, "FIRST_BLOCK_BYTES", 1)


def make_source(path: Path, name: str, content: bytes, table: str | None = None) -> Source:
    path.write_bytes(content)
    source = Source("f", path)
    form = FileFormat(compile_source(name, table or list_tables()[name]), look_at_source(source), {}, False)
    return replace(source, format=form)


def read(source: Source, folder: Path, careful: bool) -> tuple[list[dict[str, Any]], Any]:
    assignment = Assignment(0, "b", 0, (source,), careful)
    outcome = write_part(assignment, folder, folder)
    rows = pq.read_table(assignment.path(folder)).to_pylist() if outcome.part else []
    return sorted(rows, key=lambda row: (row["position"], row["entity"], row["record_index"])), outcome.found


def count_blocks(monkeypatch, source: Source, folder: Path) -> tuple[int, int]:
    """How many blocks were mapped in columns, and how many record by record; the rows of both are compared."""
    counts = [0, 0]
    map_block = MappedFile._map_block

    def count(self, blocks, context):
        block = map_block(self, blocks, context)
        counts[block is None] += 1
        return block

    with monkeypatch.context() as patch:
        patch.setattr(MappedFile, "_map_block", count)
        at_once = read(source, folder / "at_once", careful=False)
    assert at_once == read(source, folder / "strict", careful=True)
    return counts[0], counts[1]


@pytest.mark.parametrize(
    "rows",
    [
        "p1,u1,a\np2,u2,b\n",
        "p1,u1,a\np2,u2,b",
        "p1,u1,a\r\np2,u2,b\r\n",
        'p1,"u, 1","a\nb"\np2,"","a ""b"""\np3,,"\r\n"\n',
        '"p1","u1",""""\n',
        "p1,u1,é\np2,u1,\u2028\n",
    ],
)
def test_csv__is_plain(tmp_path, monkeypatch, rows):
    source = make_source(tmp_path / "f", "flat_csv", f"post_id,user_id,comment\np0,,\n{rows}".encode())
    assert count_blocks(monkeypatch, source, tmp_path) == (1, 1)


@pytest.mark.parametrize(
    "rows",
    [
        b'p1,u1,a"b\n',
        b'p1,u1,"a" b\n',
        b'p1,u1,"a"b"\n',
        b"p1,u1,a\rb\n",
        b'p1,u1,"a\rb"\n',
        b"p1,u1,c\0d\n",
        b"p1,u1\n",
        b"p1,u1,a,b\n",
        b"\n\np1,u1,a\n",
        b"p1,u1,\xff\n",
        b"p1,\xff,a\n",
        b",u1,a\n",
        b" ,u1,a\n",
        b"p" * 401 + b",u1,a\n",
    ],
)
def test_csv__is_not_plain(tmp_path, monkeypatch, rows):
    source = make_source(tmp_path / "f", "flat_csv", b"post_id,user_id,comment\np0,,\n" + rows)
    assert count_blocks(monkeypatch, source, tmp_path) == (0, 2)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv__with_other_delimiters_is_plain(tmp_path, monkeypatch, delimiter):
    rows = 'post_id,user_id,comment\np0,,\np1,u1,"a\nb"\np2,,"x; y"\n'.replace(",", delimiter)
    assert count_blocks(monkeypatch, make_source(tmp_path / "f", "flat_csv", rows.encode()), tmp_path) == (1, 1)


def test_csv__in_which_quotes_are_text_is_plain(tmp_path, monkeypatch):
    rows = "post_id\tuser_id\tcomment\n" + "p0\t\t\n" * 9 + 'p1\tu"1\t"a "b\np2\t\t5" x\n' + 'p3\tu\t"c\n' * 4
    source = make_source(tmp_path / "f", "flat_csv", rows.encode())
    assert count_blocks(monkeypatch, source, tmp_path) == (1, 1)


def test_csv__goes_on_in_columns_after_rows_that_are_not_plain(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_rows, "BLOCK_BYTES", 40)
    rows = "".join(f"p{number},u,ab\n" for number in range(60)).replace("p20,u,ab", 'p20,u,a"b')
    source = make_source(tmp_path / "f", "flat_csv", f"post_id,user_id,comment\n{rows}".encode())
    in_columns, one_by_one = count_blocks(monkeypatch, source, tmp_path)
    assert (in_columns, one_by_one) == (in_columns, 2)
    assert in_columns > 8


def test_csv__longer_than_a_block_or_than_allowed_is_not_plain(tmp_path, monkeypatch):
    content = f'post_id,user_id,comment\np0,,\np1,u1,"{"a" * 100}"\n'.encode()
    source = make_source(tmp_path / "f", "flat_csv", content)
    assert count_blocks(monkeypatch, replace(source, max_document_bytes=110), tmp_path) == (1, 1)
    assert CsvBlocks.open(replace(source, piece=Piece(24, None)), ("post_id", "user_id", "comment"), []) is not None
    blocks = CsvBlocks.open(
        replace(source, piece=Piece(29, None), max_document_bytes=100), ("post_id", "user_id", "comment"), ["comment"]
    )
    assert blocks is not None
    assert blocks.look_ahead() is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("flat_csv", "post_id,tags,timestamp,extra\np0,,,\n" + 'p1,"a,b",1672531200,x\np2,"[""a""]",2023-01-01,\n'),
        ("flat_csv", "user_id,username,age\nu0,,\nu1,a,1\nu1,a,1\nu2,,\n"),
        ("flat_csv", "comment_id,post_id,comment,likes\nc0,p,,\nc1,p1,a,1\nc2,p1,,x\n"),
        (
            "facebook_statuses",
            "comment_id,status_id,comment_message,num_likes,comment_likes,comment_published\nc,s,,,,\n"
            "c1,s1,a,1,2,2018-01-02 03:04:05\nc2,s1,b,,3,\nc3,s1,b,,,x\n",
        ),
        (
            "facebook_statuses",
            "status_id,status_published,num_reactions,num_likes,num_loves,status_message\ns,,,,,\n"
            "p_1,,7,3,2,#a\np_2,,1,3,,\np_3,,x,1,1,b\n_4,,,1,1,b\n",
        ),
        (
            "facebook_crowdtangle",
            "Facebook Id,URL,Message,Likes,Page Name,Group Name,Shares,Post Created,Total Interactions\n"
            '1,https://f/posts/0,,,,,,,\n1,https://f/posts/1,#a,"1,240",,g,0,,\n1,https://f/posts/2,#b,1,n,g,0,,\n',
        ),
    ],
)
def test_csv__of_several_tables_is_plain(tmp_path, monkeypatch, name, content):
    assert count_blocks(monkeypatch, make_source(tmp_path / "f", name, content.encode()), tmp_path) == (1, 1)


@pytest.mark.parametrize(
    "content",
    [
        'post_id,tags\np0,\np1,"[""\\ud800""]"\n',
        'post_id,tags\np0,\np1,"[{""a"": 1}]"\n',
    ],
)
def test_csv__with_tags_that_surprise_is_mapped_as_each_row_is(tmp_path, monkeypatch, content):
    count_blocks(monkeypatch, make_source(tmp_path / "f", "flat_csv", content.encode()), tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        [REDDIT % 1, REDDIT % 2, REDDIT % 1],
        [REDDIT % 1, REDDIT.replace("u%d", "[deleted]"), REDDIT.replace("u%d", "")],
        [REDDIT % 1, REDDIT.replace("%d", "\\ud83d\\ude00"), REDDIT.replace('"u%d"', "null")],
        [REDDIT % 1, (REDDIT % 2).replace("{", '{"edited": false, "all": [{"a": {}}], "gilded": 1.5, ')],
        [(REDDIT % 1).replace("1600000000", '"1600000000"'), (REDDIT % 2).replace("1600000000", '"x"')],
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lines__are_plain(tmp_path, monkeypatch, lines, line_end):
    source = make_source(tmp_path / "f", "reddit_dump", line_end.join([*lines, ""]).encode())
    assert count_blocks(monkeypatch, source, tmp_path) == (1, 0)


@pytest.mark.parametrize(
    "line",
    [
        (REDDIT % 2).replace("-1}", "-0}"),
        (REDDIT % 2).replace("-1}", "1.0}"),
        (REDDIT % 2).replace("-1}", "1e2}"),
        (REDDIT % 2).replace("-1}", "true}"),
        (REDDIT % 2).replace("-1}", "9" * 30 + "}"),
        (REDDIT % 2).replace("-1}", '"1"}'),
        (REDDIT % 2).replace('"c"', '"\\ud800"'),
        (REDDIT % 2).replace('"c"', '"\\udc00"'),
        (REDDIT % 2).replace('"c"', "7"),
        (REDDIT % 2).replace("t3_a", "t3_"),
        (REDDIT % 2).replace('"body": "b", ', ""),
        (REDDIT % 2).replace("{", '{"id": "other", '),
        (REDDIT % 2).replace("{", f'{{"all": {"[" * 500}{"]" * 500}, '),
        " " + REDDIT % 2,
        REDDIT % 2 + " ",
        f"{REDDIT % 2}\n\n{REDDIT % 3}{REDDIT % 4}",
        "[]",
        "null",
        "x",
        (REDDIT % 2).replace('"body"', "\n{"),
    ],
)
def test_lines__are_not_plain(tmp_path, monkeypatch, line):
    content = f"{REDDIT % 1}\n{line}\n".encode()
    assert count_blocks(monkeypatch, make_source(tmp_path / "f", "reddit_dump", content), tmp_path) == (0, 1)


def test_lines__with_a_joined_text_are_plain(tmp_path, monkeypatch):
    lines = [
        '{"id": "1", "author": "a", "title": "t &amp; u", "selftext": "x", "created_utc": 1}',
        '{"id": "2", "author": "[deleted]", "title": "", "selftext": "[removed]"}',
    ]
    source = make_source(tmp_path / "f", "reddit_dump", "\n".join(lines).encode())
    assert count_blocks(monkeypatch, source, tmp_path) == (1, 0)


@pytest.mark.parametrize("member", ["title", "ti\\u0074le"])
def test_lines__a_member_that_only_some_have_decides_no_rule(tmp_path, monkeypatch, member):
    table = (
        'platform = "x"\n[[detect]]\nwhen = ["id"]\n'
        '[[rows]]\nmake = "comment"\nwhen = ["has title"]\n[rows.fields]\npost_id = "id"\n'
        '[[rows]]\nmake = "post"\n[rows.fields]\npost_id = "id"\n'
    )
    content = f'{{"id": "1"}}\n{{"id": "2", "{member}": null}}\n'.encode()
    assert count_blocks(monkeypatch, make_source(tmp_path / "f", "t", content, table), tmp_path) == (0, 1)
    for other in (
        '{"id": "1"}\n{"id": "2", "text": "\\u00e9"}\n',
        '{"id": "1", "title": ""}\n{"id": "2", "title": "x"}\n',
    ):
        source = make_source(tmp_path / "f", "t", other.encode(), table)
        assert count_blocks(monkeypatch, source, tmp_path) == (1, 0)


def test_lines__of_two_rules_and_a_user_are_counted_once_each(tmp_path, monkeypatch):
    table = (
        'platform = "x"\n[[detect]]\nwhen = ["id"]\n'
        '[[rows]]\nmake = "user"\nwhen = ["by"]\n[rows.fields]\nuser_id = "by"\nname = "name"\n'
        '[[rows]]\nmake = "comment"\nwhen = ["kind = c"]\n[rows.fields]\npost_id = "id"\ncomment = "a // b | trim"\n'
        '[[rows]]\nmake = "post"\nwhen = ["kind != c", "kind ~ p|q"]\n[rows.fields]\npost_id = "id"\n'
    )
    lines = [
        '{"id": "1", "kind": "c", "by": "u", "a": "x", "b": "y"}',
        '{"id": "2", "kind": "p", "by": "u"}',
        '{"id": "3", "kind": "q", "by": "", "b": " z "}',
        '{"id": "4", "kind": "c", "by": "u", "name": "n", "b": "z"}',
    ]
    source = make_source(tmp_path / "f", "t", "\n".join(lines).encode(), table)
    assert count_blocks(monkeypatch, source, tmp_path) == (1, 0)
    rows, found = read(source, tmp_path / "once_more", careful=False)
    assert [row["entity"] for row in rows if row["is_counted"]] == ["user", "post", "post", "user"]
    assert found == {"t": {"by": 3, "name": 1, "id": 4, "a": 1, "b": 1}}
    unknown_kind = make_source(tmp_path / "f", "t", "\n".join([*lines, '{"id": "5", "kind": "r"}']).encode(), table)
    assert count_blocks(monkeypatch, unknown_kind, tmp_path) == (0, 1)


def test_lines__are_plain_in_packed_files_and_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_lines, "BLOCK_BYTES", 100)
    content = "".join(f"{REDDIT % number}\n" for number in range(50)).encode()
    packed = make_source(tmp_path / "f", "reddit_dump", gzip.compress(content))
    assert count_blocks(monkeypatch, packed, tmp_path)[1] == 0
    whole, _ = read(packed, tmp_path / "whole", careful=True)
    cut = content.index(b"\n", 2_000) + 1
    pieces = [replace(packed, path=tmp_path / "plain", piece=piece) for piece in (Piece(0, cut), Piece(cut, None))]
    pieces[0].path.write_bytes(content)
    rows = [row for number, piece in enumerate(pieces) for row in read(piece, tmp_path / f"{number}", careful=False)[0]]
    assert [row for row in rows if row["entity"] == "comment"] == [row for row in whole if row["entity"] == "comment"]


def test_lines__of_a_small_file_are_left_to_the_strict_reader_and_opened_once(tmp_path, monkeypatch):
    opened = []
    for module in (plain_lines, record_reading):
        monkeypatch.setattr(module, "open_source", lambda source: opened.append(source) or open_source(source))
    monkeypatch.setattr(plain_blocks, "LEAST_BYTES", 1 << 20)
    source = make_source(tmp_path / "f", "reddit_dump", f"{REDDIT % 1}\nx\n{REDDIT % 2}\n".encode())
    opened.clear()
    assert len(list(MappedFile(source, source.format, "b", careful=False).read_blocks())) == 3
    assert len(opened) == 1
    assert count_blocks(monkeypatch, source, tmp_path) == (0, 1)


def test_lines__of_many_bytes_are_left_to_the_strict_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_lines, "LONGEST_BLOCK_BYTES", 100)
    source = make_source(tmp_path / "f", "reddit_dump", f"{REDDIT % 1}\n{REDDIT % 2}\n".encode())
    assert count_blocks(monkeypatch, source, tmp_path) == (0, 1)


def test_lines__of_a_packed_file_that_was_cut_break_it(tmp_path):
    source = make_source(tmp_path / "f", "reddit_dump", gzip.compress("".join(f"{REDDIT % 1}\n" * 50).encode()))
    source.path.write_bytes(source.path.read_bytes()[:-20])
    faults = [
        write_part(Assignment(0, "b", 0, (source,), careful), tmp_path / f"{careful}", tmp_path / f"{careful}").fault
        for careful in (False, True)
    ]
    assert faults[0] is not None
    assert faults[0] == faults[1]


def test_lines__of_which_each_makes_two_users_are_mapped_one_by_one(tmp_path, monkeypatch):
    table = (
        'platform = "x"\n[[detect]]\nwhen = ["id"]\n'
        '[[rows]]\nmake = "user"\n[rows.fields]\nuser_id = "by"\n'
        '[[rows]]\nmake = "user"\nwhen = ["to"]\n[rows.fields]\nuser_id = "to"\n'
        '[[rows]]\nmake = "post"\n[rows.fields]\npost_id = "id"\nuser_id = "by"\n'
    )
    lines = ['{"id": "1", "by": "u1", "to": "u2"}', '{"id": "2", "by": "u2", "to": "u3"}']
    source = make_source(tmp_path / "f", "t", "\n".join(lines).encode(), table)
    assert count_blocks(monkeypatch, source, tmp_path) == (0, 0)


def test_lines__goes_on_in_columns_after_lines_that_are_not_plain(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_lines, "BLOCK_BYTES", 1)
    lines = [REDDIT % 1, REDDIT % 2 + " ", "x", REDDIT % 3, ""]
    source = make_source(tmp_path / "f", "reddit_dump", "\n".join(lines).encode())
    assert count_blocks(monkeypatch, source, tmp_path) == (2, 2)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + REDDIT.encode() % 1, b"x\n" + REDDIT.encode() % 1, b"["])
def test_open__refuses_what_does_not_begin_with_an_object(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    assert LineBlocks.open(Source("f", tmp_path / "f"), ["id"]) is None


def test_open__refuses_packed_files_and_missing_ones(tmp_path):
    (tmp_path / "f").write_bytes(gzip.compress(COMMENTS.encode()))
    for path in (tmp_path / "f", tmp_path / "missing"):
        assert LineBlocks.open(Source("f", path), ["id"]) is None
        assert CsvBlocks.open(Source("f", path), ("post_id", "user_id", "comment"), ["post_id"]) is None


@pytest.mark.parametrize(
    "path", [path for path in sorted(GOLDENS.rglob("*")) if path.suffix in (".csv", ".jsonl", ".ndjson")], ids=str
)
def test_golden_exports__are_mapped_in_columns_as_record_by_record(tmp_path, monkeypatch, path):
    source = Source("f", path)
    head = look_at_source(source)
    known = detect(head, path.name, SOURCES)
    count_blocks(monkeypatch, replace(source, format=FileFormat(known, head, {}, False)), tmp_path)


def test_may_map_columns__of_our_tables():
    simple = {name for name, table in list_tables().items() if may_map_columns(compile_source(name, table))}
    assert {"flat_csv", "facebook_statuses", "reddit_dump", "youtube_takeout"} <= simple
    assert simple.isdisjoint({"native", "x_archive", "mastodon_archive", "telegram", "discord"})
