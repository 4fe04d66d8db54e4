"""Documents of any shape: each ends in rows, in `rejected` or in a verdict on its file, and the ledger balances."""

import json
from time import monotonic

import exports
import pytest
from hypothesis import example, given
from jobs import Ended, Row, assert_accounted_for, counted, folder, loaded, run_file

from spark_jobs.cleaning import rules, values
from spark_jobs.extraction import splitting
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.reading import BrokenSource, read_documents
from spark_jobs.extraction.splitting import Piece


def read(ended: Ended) -> dict[str, int]:
    return {name: ended.counts.read.get(name, 0) for name in ("documents", "posts", "comments")}


@given(exports.arrays)
def test_array__of_any_documents_is_counted_as_a_plain_walk_counts_them(content):
    ended = run_file(content)
    assert_accounted_for(ended)
    assert ended.fault is None
    assert read(ended) == counted(loaded(content.decode("utf-8-sig")))


@given(exports.lines)
def test_lines__of_any_documents_are_counted_as_a_plain_walk_counts_them(content):
    ended = run_file(content)
    assert_accounted_for(ended)
    text = content.decode("utf-8-sig")
    if text.lstrip(" \t\r\n").startswith("["):
        return  # an array, or the start of one
    documents, bad = [], []
    for number, line in enumerate(filter(None, (line.strip(" \t\r") for line in text.split("\n")))):
        try:
            documents.append(loaded(line))
        except ValueError:
            bad.append(number)
    if ended.fault:
        assert 0 in bad, "a file whose first line is a document consists of lines"
        return
    expected = counted(documents)
    assert read(ended) == expected | {"documents": expected["documents"] + len(bad)}
    not_json = [row for row in ended.tables["rejected"] if row["rules"] == ["not_json"]]
    assert len(not_json) == len(bad)


@given(exports.files)
def test_file__of_any_bytes_ends_in_a_verdict_or_is_accounted_for(content):
    assert_accounted_for(run_file(content))


@given(exports.files)
@example(b"[{};{}]")
@example(b"[{}}{}]")
def test_file__read_at_once_is_as_read_with_care(content):
    with folder() as place:
        (place / "file").write_bytes(content)
        source = Source("file", place / "file")
        try:
            at_once = [row for row, _ in read_documents(source, careful=False)]
        except BrokenSource:
            return
        assert at_once == [row for row, _ in read_documents(source)]


def in_order(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {table: sorted(rows, key=repr) for table, rows in tables.items()}


@given(exports.files)
def test_file__is_read_the_same_in_pieces(content):
    whole = run_file(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "PIECE_BYTES", 30)
        in_pieces = run_file(content)
    assert in_pieces.fault == whole.fault
    assert in_order(in_pieces.tables) == in_order(whole.tables)


# What was found


@pytest.mark.parametrize(
    "content", ["[{}.5]", "[{}e5, {}]", "[{}, 1{}]", "[{}, -{}]", "[{}, 1.{}]", "[{}, 1e{}]", "[{} 0{}]"]
)
def test_array__with_half_a_number_beside_a_document_is_broken(content):
    ended = run_file(content.encode())
    assert ended.fault is not None
    assert ended.fault.reason == "not valid JSON between two documents of the array"


@pytest.mark.parametrize("depth", [*range(900, 1010), 100_000])
def test_array__nested_to_any_depth_is_read_or_broken(tmp_path, depth):
    (tmp_path / "file").write_text('[{"user_id": "u1", "age": ' + "[" * depth + "]" * depth + "}]")
    source = Source("file", tmp_path / "file")
    for is_careful in (True, False):
        try:
            assert [row["user_id"] for row, _ in read_documents(source, is_careful)] == ["u1"]
        except BrokenSource as broken:
            assert is_careful is False or broken.fault.reason == "nested too deeply"


def test_lines__that_begin_with_a_mark_keep_their_first_document_in_pieces(tmp_path):
    content = b'\xef\xbb\xbf{"user_id": "u1"}\n{"user_id": "u2"}\n'
    (tmp_path / "file").write_bytes(content)
    first = Source("file", tmp_path / "file", Piece(0, content.index(b"\n") + 1))
    assert [row["user_id"] for row, _ in read_documents(first)] == ["u1"]


def test_number__of_many_digits_takes_no_square_of_time():
    started = monotonic()
    assert values.parse_whole_number("1" * 20_000 + "x", rules.LARGEST_COUNT) is None
    assert monotonic() - started < 2


def test_long_text__comes_through_wherever_it_stands(tmp_path):
    long = "1" * 50_000_000
    comment = {"user_id": "u", "comment": long}
    content = [{"user_id": "u1", "age": long + "x", "posts": [{"post_id": "p1", "comments": [comment]}]}]
    ended = run_file(json.dumps(content).encode())
    assert_accounted_for(ended)
    assert [row["comment_text"] == long for row in ended.tables["comments"]] == [True]
    assert [row["rule"] for row in ended.tables["issues"]] == ["invalid_age"]


LONG = "é" * 401


def test_key__that_no_index_can_hold_is_as_good_as_missing(tmp_path):
    post = {"post_id": "p1", "location": LONG, "tags": ["#" + LONG, "art"], "comments": [{"user_id": LONG}]}
    documents = [{"user_id": "u1", "posts": [post, {"post_id": LONG}]}, {"user_id": LONG}]
    ended = run_file(json.dumps(documents).encode())
    assert_accounted_for(ended)
    assert [(row["location"], row["tags"]) for row in ended.tables["posts"]] == [(None, ["art"])]
    assert [row["comment_user_id"] for row in ended.tables["comments"]] == [None]
    assert [row["rules"] for row in ended.tables["rejected"]] == [["missing_user_id"], ["missing_post_id"]]
    issues = {(row["entity"], row["field"], row["rule"]) for row in ended.tables["issues"]}
    assert issues == {
        ("post", "location", "too_long"),
        ("post", "tags", "too_long"),
        ("comment", "user_id", "too_long"),
    }


def test_key__of_the_longest_kind_is_kept():
    longest = "🐎" * 400
    post = {"post_id": longest, "location": longest, "tags": [longest]}
    ended = run_file(json.dumps([{"user_id": longest, "posts": [post]}]).encode())
    assert [(row["post_id"], row["location"], row["tags"]) for row in ended.tables["posts"]] == [
        (longest, longest, [longest])
    ]
