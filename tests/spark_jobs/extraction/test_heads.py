"""The head of a file says what kind it is, whatever its bytes are, and shows its first values."""

import gzip
import io
import json

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spark_jobs.extraction import heads
from spark_jobs.extraction.assignments import Source
from spark_jobs.extraction.compression import unpack
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.heads import read_head
from spark_jobs.extraction.parsing import WrittenNumber
from spark_jobs.extraction.reading import BrokenSource
from spark_jobs.extraction.record_reading import look_at_source, read_source_records
from spark_jobs.sources.heads import CSV, JS, JSON_ARRAY, JSON_LINES, JSON_OBJECT, Head

MARK = b"\xef\xbb\xbf"

HEADS = {
    "array": (b'[{"a": 1}, {"a": 2.50}]', Head(JSON_ARRAY, ({"a": "1"}, {"a": WrittenNumber("2.50")}))),
    "empty array": (b" []", Head(JSON_ARRAY)),
    "array cut in an element": (b'[{"a": {"b": ["c", "d', Head(JSON_ARRAY, ({"a": {"b": ["c"]}},))),
    "broken array": (b"[{]", Head(JSON_ARRAY)),
    "lines": (b'{"a": 1}\n{"a": 2}\n', Head(JSON_LINES, ({"a": "1"}, {"a": "2"}))),
    "lines with a bad one": (b'{"a": \n\n{"a": 2}\n{"b', Head(JSON_LINES, ({"a": "2"},))),
    "lines after a text": (b'a,b\n{"a": 2}\n', Head(JSON_LINES, ({"a": "2"},))),
    "lines that are no objects": (b"1\n2\n", Head(JSON_LINES, ("1", "2"))),
    "object on a line": (b'{"a": 1}\n \n', Head(JSON_OBJECT, ({"a": "1"},))),
    "object on many lines": (b'{\n"a": 1,\n"b": [\n]}', Head(JSON_OBJECT, ({"a": "1", "b": []},))),
    "cut object": (b'{"a": 1, "b": {"c": [1, {"d": "]', Head(JSON_OBJECT, ({"a": "1", "b": {"c": ["1", {}]}},))),
    "js": (
        b"window.YTD.tweets.part0 = [ {\n} ]",
        Head(JS, ({},), variable="window.YTD.tweets.part0"),
    ),
    "old js": (b'Grailbird.data.tweets_2016_01 = \n [ "a"', Head(JS, ("a",), variable="Grailbird.data.tweets_2016_01")),
    "js of an object": (
        b'window.__THAR_CONFIG = {"a" : {"b": 1}};',
        Head(JS, ({"a": {"b": "1"}},), variable="window.__THAR_CONFIG"),
    ),
    "csv": (b'a,"b\nc"\n1,2\n', Head(CSV, columns=("a", "b\nc"))),
    "csv in utf-16": ("a\tb\n1\t2\n".encode("utf-16"), Head(CSV, columns=("a", "b"))),
    "program": (b"!function(e){var t={}}", Head(JSON_LINES)),
    "text": (b"Read me first.\n", Head(JSON_LINES)),
    "nothing": (b"", Head(JSON_LINES)),
    "json in utf-16": ('{"a": 1}'.encode("utf-16"), Head(JSON_LINES)),
    "bytes": (b"\0\1\xff\xfe", Head(JSON_LINES)),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize("name", HEADS)
def test_head__shows_the_kind_and_the_first_values(tmp_path, pack, mark, name):
    content, expected = HEADS[name]
    if mark and "utf-16" in name:
        return
    (tmp_path / "a").write_bytes(pack(mark + content))
    head = look_at_source(Source("f", tmp_path / "a"))
    assert head == expected
    assert repr(head) == repr(expected)


@pytest.mark.parametrize("template", ["[%s]", "%s", "x.y = [%s]"])
def test_head__of_a_long_first_value_shows_its_beginning(monkeypatch, template):
    monkeypatch.setattr(heads, "HEAD_BYTES", 100)
    monkeypatch.setattr(heads, "LONGEST_HEAD_BYTES", 300)
    value = json.dumps({"user_id": "u1", "posts": [{"post_id": f"p{n}"} for n in range(200)]})
    head = read_head(io.BytesIO((template % value).encode()))
    assert head.values[0]["user_id"] == "u1"
    assert 5 < len(head.values[0]["posts"]) < 20


def test_head__has_twenty_values_at_most():
    for content in (json.dumps(list(range(100))), "\n".join(map(str, range(100)))):
        assert read_head(io.BytesIO(content.encode())).values == tuple(map(str, range(20)))


def test_head__is_read_on_to_the_end_of_a_value(monkeypatch):
    monkeypatch.setattr(heads, "HEAD_BYTES", 100)
    head = read_head(io.BytesIO(json.dumps([{"a": "x" * 500}, {"b": 1}]).encode()))
    assert head.values == ({"a": "x" * 500},)


TOKENS = b'[ ] { } , " : a 1 \\ \xff \0 ; = x.y=[ "a": {"a":1} a,b null PK\x03\x04 (\xb5/\xfd \xff\xfe'.split(b" ")
pieces = st.sampled_from([*TOKENS, b"\n", b"\r", b" ", b"\x1f\x8b", MARK])


@settings(max_examples=300, deadline=None)
@given(content=st.lists(pieces, max_size=14).map(b"".join) | st.binary(max_size=40))
@example(b"[" * 5000)
@example(b'{"a":' * 5000)
@example(b'x = [{"a":' + b"[" * 5000)
def test_file__of_any_bytes_has_a_head_and_records_or_a_verdict(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    source = Source("f", path)
    try:
        head = look_at_source(source)
        for careful in (True, False):
            for record in read_source_records(source, head, head.columns, ["a", "a.b"], careful=careful).records:
                assert record.text or record.value == ""
                assert 0 <= record.offset < len(content)
                assert record.reason or not record.fault
    except BrokenSource as broken:
        assert broken.fault.reason


def test_head__of_damaged_data_is_a_verdict(tmp_path):
    with pytest.raises(BrokenFile, match="damaged compressed data"):
        read_head(unpack(io.BytesIO(b"\x1f\x8b")))
