"""Exports as hypothesis makes them: near to what they should be, far from it, and damaged.

JSON is written by hand here: json.dumps knows no duplicate keys, no 1e400 and no lone surrogates but escaped ones.
"""

import bz2
import gzip
import json
from typing import Any

from hypothesis import strategies as st

from spark_jobs.schemas import COMMENT_FIELDS, POST_FIELDS, REACTIONS, USER_FIELDS

Texts = st.SearchStrategy[str]

TOKENS = (
    *("0", "-0", "-0.0", "1.50", "1e2", "1E-2", "1e400", "-1e400", "1e-400", "1e999999999", "0e999999999"),
    *("9" * 5_000, "0." + "1" * 5_000, "120", "121", "1000000000000", "1000000000001", "true", "false", "null"),
)
NO_TOKENS = ("NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x1", "nul", "'a'", "")
TEXTS = (
    *(
        "",
        " ",
        "\0",
        "\0 \0",
        "\u3000",
        "\ud800",
        "\udc00\ud800",
        "a\ud83d",
        "\ud83d\ude00",
        "\ufeff",
        "\u2028",
        "\x85",
    ),
    *(
        "a\0b",
        "a" * 400,
        "a" * 401,
        "é" * 401,
        "🐎" * 400,
        "#",
        "# ##Art",
        "u1",
        "u2",
        " u1",
        "p1",
        "p2",
        "\\",
        '"',
        "\\.",
    ),
    *(
        "a@b.c",
        "a@b",
        "32",
        "32.0",
        "1e1",
        "٣",
        "1_000",
        "+5",
        ".",
        "1" * 5_000 + "x",
        "{}",
        "[",
        "],{",
        "null",
        "NULL",
    ),
    *(
        "2022-10-08 01:41:04",
        "2022-02-30",
        "0001-01-01T00:00:00+18:00",
        "9999-12-31T23:59:59-18:00",
        "2022-10-08T24:00",
    ),
    *("{1,2}", "\\N", "'; drop table users; --", "%s", "\r\n", "\n\\.\n", ",", "\x1f", "\x7f", "\ufffe", "\U0010ffff"),
)
"""Each is some rule's edge, or another language's."""


def one_of(found: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """One of these, some of which are long: hypothesis would write all of them into what it says of a failure."""
    return st.integers(0, len(found) - 1).map(found.__getitem__)


texts: Texts = st.one_of(one_of(TEXTS), st.text(max_size=12))


def _written(text: str, is_ascii: bool) -> str:
    is_legal = not any("\ud800" <= each <= "\udfff" for each in text)
    return json.dumps(text, ensure_ascii=is_ascii or not is_legal)


strings: Texts = st.builds(_written, texts, st.booleans())
leaves: Texts = st.one_of(one_of(TOKENS), strings)


def array_of(elements: Texts, max_size: int = 3) -> Texts:
    return st.lists(elements, max_size=max_size).map(lambda found: f"[{', '.join(found)}]")


def object_of(*members: st.SearchStrategy[tuple[str, str]], max_size: int = 6) -> Texts:
    """An object of any of these members; some of them twice."""
    return st.builds(
        lambda found, colon: "{" + ", ".join(name + colon + value for name, value in found) + "}",
        st.lists(st.one_of(*members), max_size=max_size),
        st.sampled_from([": ", ":", " :", "\t: "]),
    )


def member(name: str, value: Texts) -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(st.just(json.dumps(name)), value)


def members(names: tuple[str, ...], value: Texts) -> list[st.SearchStrategy[tuple[str, str]]]:
    return [member(name, value) for name in names]


NAMES = ("user_id", "posts", "post_id", "comments", "tags", "reactions", "like", "comment", "fault", "raw", "position")

anything: Texts = st.recursive(
    leaves,
    lambda inner: st.one_of(
        array_of(inner),
        object_of(*members(NAMES, inner), st.tuples(strings, inner), max_size=3),
        st.integers(1, 200).flatmap(lambda depth: inner.map(lambda value: "[" * depth + value + "]" * depth)),
    ),
    max_leaves=6,
)
unknown = st.tuples(strings, anything)
values: Texts = st.one_of(leaves, leaves, leaves, anything)
identifiers: Texts = st.one_of(
    st.sampled_from(
        ['"u1"', '"u2"', '" u1 "', '"p1"', '"p2"', "1", "1.0", "10e-1", '"1"', '"1.0"', "-0", "0.0", "1.50"]
    ),
    values,
)

comments: Texts = st.one_of(
    object_of(member("user_id", identifiers), *members(COMMENT_FIELDS, values), unknown), values
)
reactions: Texts = st.one_of(object_of(*members(REACTIONS, values), unknown), values)
posts: Texts = st.one_of(
    object_of(
        member("post_id", identifiers),
        *members(POST_FIELDS, values),
        member("tags", st.one_of(array_of(values), values)),
        member("reactions", reactions),
        member("comments", st.one_of(array_of(comments), values)),
        unknown,
        max_size=8,
    ),
    values,
)
documents: Texts = st.one_of(
    object_of(
        member("user_id", identifiers),
        member("user_id", identifiers),
        *members(USER_FIELDS, values),
        member("posts", st.one_of(array_of(posts), values)),
        member("posts", array_of(posts)),
        st.tuples(st.just('"p\\u006fsts"'), array_of(posts)),
        unknown,
        max_size=8,
    ),
    anything,
)

gaps: Texts = st.sampled_from(["", " ", "\n", "\r\n", "\n    ", "\t", "\n\n"])


def _as_array(found: list[str], gap: str, mark: str) -> bytes:
    return (mark + gap + "[" + gap + ("," + gap).join(found) + gap + "]" + gap).encode()


def _as_lines(found: list[str], line_end: str, mark: str, is_ended: bool) -> bytes:
    return (mark + line_end.join(found) + line_end * is_ended).encode()


marks: Texts = st.sampled_from(["", "", "\ufeff"])
arrays: st.SearchStrategy[bytes] = st.builds(_as_array, st.lists(documents, max_size=4), gaps, marks)
bad_lines: Texts = one_of((*NO_TOKENS, *(f'{{"user_id": {token}}}' for token in NO_TOKENS), '{"a": "\0"}', "\ufeff"))
lines: st.SearchStrategy[bytes] = st.builds(
    _as_lines,
    st.lists(st.one_of(documents, documents, bad_lines), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n\t"]),
    marks,
    st.booleans(),
)


def damage(content: bytes, where: float, what: bytes, dropped: int) -> bytes:
    place = int(where * len(content))
    return content[:place] + what + content[place + dropped :]


ODD_BYTES = (b"", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"\\", b"]", b"[", b"{", b"}", b",")
ODD_PIECES = (
    b".5",
    b"1",
    b"-",
    b"e5",
    b"NaN",
    b" {} ",
    b"\n",
    b"\r",
    b"\n{}\n",
    b"\xff\xfe",
    b"\x1f\x8b",
    b"BZh",
    b"[" * 2_000,
)
damaged: st.SearchStrategy[bytes] = st.builds(
    damage,
    st.one_of(arrays, lines),
    st.floats(0, 1),
    st.one_of(one_of((*ODD_BYTES, *ODD_PIECES)), st.binary(max_size=4)),
    st.integers(0, 3),
)


def _packed(content: bytes, how: str, dropped: int, more: bytes) -> bytes:
    pack: Any = {"gzip": gzip.compress, "bzip2": bz2.compress}[how]
    packed = pack(content)
    return packed[: len(packed) - dropped] + more


packed: st.SearchStrategy[bytes] = st.builds(
    _packed,
    st.one_of(arrays, lines),
    st.sampled_from(["gzip", "bzip2"]),
    st.sampled_from([0, 0, 1, 4, 8, 12, 20]),
    st.sampled_from([b"", b"", b"\0" * 9, b"garbage", gzip.compress(b"\n{}\n"), bz2.compress(b"[]"), b"\x1f\x8b"]),
)
files: st.SearchStrategy[bytes] = st.one_of(arrays, lines, damaged, packed, st.binary(max_size=40))
