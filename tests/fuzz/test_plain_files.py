"""Files of documents that are plain, or nearly: reading them at once gives what the strict reader gives."""

import json
from pathlib import Path

import exports
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jobs import folder

from spark_jobs.extraction import plain_blocks, splitting
from spark_jobs.extraction.assignments import Assignment, Source, assign_files
from spark_jobs.extraction.parts import write_part
from spark_jobs.schemas import COMMENT_FIELDS, DOCUMENTS, REACTIONS, USER_FIELDS

Texts = exports.Texts

strings: Texts = st.builds(
    lambda text, is_ascii: json.dumps(text, ensure_ascii=is_ascii),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.booleans(),
)
leaves: Texts = st.one_of(strings, st.just("null"))
counters: Texts = st.one_of(st.integers(0, 2**64 - 1).map(str), st.just("null"))
odd_names = st.sampled_from((*exports.NAMES, "age", "shares", "timestamp", "\\u0061ge", "documents", "x"))
odd = st.tuples(odd_names.map(lambda name: f'"{name}"'), st.one_of(exports.values, exports.array_of(st.just("{}"))))


def object_of(needed: dict[str, Texts], possible: dict[str, Texts]) -> Texts:
    """An object of all needed and some possible members, and once in a while one that is odd or is there twice."""
    chosen = st.fixed_dictionaries(needed, optional=possible).map(
        lambda found: [(json.dumps(name), value) for name, value in found.items()]
    )
    added = st.integers(0, 30).flatmap(lambda number: st.tuples(odd) if number == 17 else st.just(()))
    return st.builds(
        lambda members, more, colon: "{" + ", ".join(name + colon + value for name, value in [*members, *more]) + "}",
        chosen,
        added,
        st.sampled_from([": ", ":"]),
    )


comments = object_of({}, dict.fromkeys(COMMENT_FIELDS, leaves))
posts = object_of(
    {"post_id": st.sampled_from(['"p1"', '"p2"']), "comments": exports.array_of(comments, 2)},
    {
        "post_text": leaves,
        "location": leaves,
        "timestamp": leaves,
        "shares": counters,
        "tags": exports.array_of(leaves),
        "reactions": st.one_of(object_of({}, dict.fromkeys(REACTIONS, counters)), st.just("null")),
    },
)
documents = object_of(
    {"user_id": st.sampled_from(['"u1"', '"u2"', '" u1 "']), "posts": exports.array_of(posts, 2)},
    {**dict.fromkeys(USER_FIELDS, leaves), "age": counters},
)


def join(found: list[str], is_array: bool, line_end: str, mark: str) -> bytes:
    if is_array:
        return f"{mark}[{line_end}{f',{line_end}'.join(found)}\n]\n".encode()
    return (mark + "".join(each + line_end.rstrip(" ") for each in found)).encode()


files = st.builds(
    join,
    st.lists(documents, min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n    "]),
    st.sampled_from(["", "\ufeff"]),
)
damage = st.one_of(exports.one_of((*exports.ODD_BYTES, *exports.ODD_PIECES, b"null", b"-", b'"position": 5, ', b"]}")))
damaged = st.builds(exports.damage, files, st.floats(0, 1), damage, st.integers(0, 3))


def read(assignments: list[Assignment], staging: Path) -> pa.Table | None:
    """The rows of all parts; None where the file is broken."""
    outcomes = [write_part(each, staging, staging) for each in assignments]
    if any(outcome.fault for outcome in outcomes):
        return None
    parts = [outcome.assignment.path(staging) for outcome in outcomes if outcome.part]
    return pa.concat_tables([DOCUMENTS.empty_table(), *map(pq.read_table, parts)])


@given(st.one_of(files, files, damaged), st.sampled_from([1, 100, 1 << 20]), st.sampled_from([100, 1 << 20]))
@example(b'[\n{"user_id": "u1", "posts": []}]}\n null {"documents": [{}]', 1 << 20, 1 << 20)
@example(b'[\n{"user_id": "u1", "posts": []},\n{"user_id": "u2", "posts": []} {}\n]', 1 << 20, 1 << 20)
@example(b'[\n{"user_id": "u1", "posts": []},\n{}\n{"user_id": "u2", "posts": []}\n]', 1, 1 << 20)
def test_file__of_plain_documents_is_read_at_once_as_the_strict_reader_reads_it(content, block_bytes, piece_bytes):
    with pytest.MonkeyPatch.context() as patch, folder() as place:
        patch.setattr(plain_blocks, "LEAST_BYTES", 1)
        patch.setattr(plain_blocks, "BLOCK_BYTES", block_bytes)
        patch.setattr(plain_blocks, "FIRST_BLOCK_BYTES", block_bytes)
        patch.setattr(splitting, "PIECE_BYTES", piece_bytes)
        file = place / "file"
        file.write_bytes(content)
        at_once = read(assign_files(0, "b", [Source("f", file)]), place / "at_once")
        strict = read([Assignment(0, "b", 0, (Source("f", file),), careful=True)], place / "strict")
    assert at_once is None or at_once.equals(strict)  # a broken file is read again by the strict reader
