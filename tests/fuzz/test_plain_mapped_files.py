"""CSV and JSON Lines whose records are plain, or nearly: mapping them in columns gives what mapping each one gives."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import exports
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jobs import folder

from spark_jobs.extraction import plain_blocks, plain_lines, plain_rows
from spark_jobs.extraction.assignments import Assignment, FileFormat, Source, assign_files
from spark_jobs.extraction.parts import write_part
from spark_jobs.extraction.reading import BrokenSource
from spark_jobs.extraction.record_reading import look_at_source
from spark_jobs.sources.catalog import compile_source, list_tables
from spark_jobs.sources.heads import CSV, JSON_LINES

Texts = st.SearchStrategy[str]

HEADERS = {
    "flat_csv": ["post_id,user_id,post_text,timestamp,tags,shares,extra", "comment_id,post_id,comment,Likes"],
    "facebook_crowdtangle": ["Facebook Id,URL,Message,Likes,Page Name,Group Name,Shares,Post Created"],
    "facebook_statuses": [
        "status_id,status_published,num_reactions,num_likes,num_loves,status_message",
        "comment_id,status_id,comment_message,num_likes,comment_likes",
    ],
    "youtube_takeout": ["Comment ID,Video ID,Comment text,Comment create timestamp,Parent comment ID"],
}
words: Texts = st.sampled_from(["", "a", " b ", "é", "1", "-0", "1672531200", '["x"]', "#t", "{}"])
quoted: Texts = st.sampled_from(['""', '"a, b"', '"a\nb"', '"a ""b"""', '"\r\n"', '""""', '"[""x"", 1]"'])
odd_cells: Texts = st.sampled_from(['"x" y', 'x"y', '"open', "a\rb", "c\x00d", '["\\ud800"]', '"[""\\ud800""]"', ""])
cells = st.one_of(words, words, quoted)
keys: Texts = st.sampled_from(["p1", "p2", '"p, 3"', " p1 "])


def once_in_a_while(usual: st.SearchStrategy[Any], unusual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 15).flatmap(lambda number: unusual if number == 7 else usual)


def join_rows(header: str, rows: list[list[str]], line_end: str, mark: str, has_end: bool) -> bytes:
    lines = [header, *(",".join(row) for row in rows)]
    return (mark + line_end.join(lines) + line_end * has_end).encode()


def csv_files(name: str) -> st.SearchStrategy[tuple[str, bytes]]:
    def of_header(header: str) -> st.SearchStrategy[bytes]:
        width = header.count(",") + 1
        usual = st.tuples(keys, keys, *[cells] * (width - 2)).map(list)
        unusual = st.one_of(st.lists(cells, max_size=width + 1), st.tuples(*[odd_cells] * width).map(list))
        rows = st.lists(once_in_a_while(usual, unusual), max_size=8)
        ends, marks = st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"])
        return st.builds(join_rows, st.just(header), rows, ends, marks, st.booleans())

    return st.tuples(st.just(name), st.sampled_from(HEADERS[name]).flatmap(of_header))


strings = st.builds(
    lambda text, is_ascii: json.dumps(text, ensure_ascii=is_ascii),
    st.one_of(
        words, st.just("u1"), st.text(st.characters(exclude_categories=["Cs"]), max_size=4), st.just("[deleted]")
    ),
    st.booleans(),
)
numbers: Texts = st.one_of(st.integers(-9, 9).map(str), st.sampled_from(["1600000000", "null"]))
odd: Texts = st.sampled_from(
    ["true", "{}", '"\\ud800"', '"a"', "-0", "1.50", "9" * 30, "01", "[" * 120 + "]" * 120, '{"id": "}\n{"}']
)
MEMBERS: dict[str, tuple[str, Texts]] = {
    "author": ("author", strings),
    "id": ("id", strings),
    "link_id": ("link_id", st.sampled_from(['"t3_a"', '"t3_b"'])),
    "body": ("body", strings),
    "parent_id": ("parent_id", st.sampled_from(['"t1_a"', '"t3_b"', "null"])),
    "created": ("created_utc", numbers),
    "score": ("score", numbers),
    "subreddit": ("subreddit", strings),
    "extra": ("extra", st.one_of(numbers, strings, odd.filter(lambda value: value != "01"))),
    "title": ("title", strings),
    "escaped": ("ti\\u0074le", strings),
    "again": ("author", strings),
}
RARE = ("parent_id", "extra")
ODD = ("title", "escaped", "again")


def join_members(values: dict[str, str], colon: str) -> str:
    return "{" + ", ".join(f'"{MEMBERS[name][0]}"{colon}{value}' for name, value in values.items()) + "}"


def make_lines(usual: dict[str, Texts], possible: dict[str, Texts]) -> Texts:
    return st.builds(join_members, st.fixed_dictionaries(usual, optional=possible), st.sampled_from([": ", ":"]))


values = {name: value for name, (_, value) in MEMBERS.items()}
plain = {name: value for name, value in values.items() if name not in (*RARE, *ODD)}
rare = {name: values[name] for name in RARE}
lines = once_in_a_while(
    make_lines(plain, rare),
    make_lines({}, {name: st.one_of(value, odd) for name, value in values.items()}),
)
json_files = st.tuples(
    st.just("reddit_dump"),
    st.builds(
        lambda found, line_end, has_end: (line_end.join(found) + line_end * has_end).encode(),
        st.lists(lines, min_size=1, max_size=6),
        st.sampled_from(["\n", "\n", "\r\n", "\n\n"]),
        st.booleans(),
    ),
)
files = st.one_of(*map(csv_files, HEADERS), json_files)
damage = st.one_of(exports.one_of((*exports.ODD_BYTES, *exports.ODD_PIECES, b'"', b"\n", b"}{", b"{}\n", b"\0")))
damaged = st.builds(
    lambda named, *how: (named[0], exports.damage(named[1], *how)),
    files,
    st.floats(0, 1),
    damage,
    st.integers(0, 3),
)


def read(assignments: list[Assignment], staging: Path) -> tuple[list[dict[str, Any]], dict[str, int]] | None:
    """The rows of all parts, by their place, and how often each path was found; None where the file is broken."""
    outcomes = [write_part(each, staging, staging) for each in assignments]
    if any(outcome.fault for outcome in outcomes):
        return None
    parts = [outcome.assignment.path(staging) for outcome in outcomes if outcome.part]
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    found: dict[str, int] = {}
    for outcome in outcomes:
        for counts in outcome.found.values():
            found = {path: found.get(path, 0) + times for path, times in counts.items()}
    return sorted(rows, key=lambda row: (row["position"], row["entity"], row["record_index"])), found


@given(st.one_of(files, files, damaged), st.sampled_from([1, 60, 1 << 20]))
@example(("reddit_dump", b'{"author": "a", "id": "1", "link_id": "l", "body": "b", "subreddit": "s"}\n' * 2), 1)
@example(("flat_csv", b'post_id,user_id\np1,"a"\np2,b"\np3,"c\n"\n'), 1)
def test_file__is_mapped_in_columns_as_record_by_record(named, block_bytes):
    name, content = named
    with pytest.MonkeyPatch.context() as patch, folder() as place:
        patch.setattr(plain_blocks, "LEAST_BYTES", 1)
        patch.setattr(plain_rows, "FIRST_BLOCK_BYTES", 1)
        patch.setattr(plain_rows, "BLOCK_BYTES", block_bytes)
        patch.setattr(plain_lines, "BLOCK_BYTES", block_bytes)
        file = place / "file"
        file.write_bytes(content)
        source = Source("f", file)
        try:
            head = look_at_source(source)
        except BrokenSource:
            assume(False)
        assume(head.kind in (CSV, JSON_LINES))
        form = FileFormat(compile_source(name, list_tables()[name]), head, {}, False)
        source = replace(source, format=form)
        at_once = read(assign_files(0, "b", [source]), place / "at_once")
        one_by_one = read([Assignment(0, "b", 0, (source,), careful=True)], place / "one_by_one")
    assert at_once == one_by_one
