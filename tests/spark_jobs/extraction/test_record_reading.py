"""The records of JSON files of any shape, each with its exact text and place."""

import json
import zipfile
from pathlib import Path

import pytest

from spark_jobs.extraction.archives import list_archive
from spark_jobs.extraction.assignments import Source, expand_archive
from spark_jobs.extraction.json_records import FIRST, LAST, LAST_FILLED
from spark_jobs.extraction.reading import BrokenSource, read_documents
from spark_jobs.extraction.record_reading import SourceRecords, look_at_source, read_source_records
from spark_jobs.extraction.source_record import SourceRecord

MARK = b"\xef\xbb\xbf"
PATHS = ("data", "channel.items")


def read(path: Path, content: bytes, **options: object) -> SourceRecords:
    path.write_bytes(content)
    source = Source("f", path, max_document_bytes=1 << 20)
    return read_source_records(source, look_at_source(source), paths=PATHS, **options)


def check_places(content: bytes, records: list[SourceRecord]) -> None:
    for record in records:
        text = record.text.encode()
        assert content[record.offset : record.offset + len(text)] == text


@pytest.mark.parametrize(
    ("content", "enclosing"),
    [
        (b'[{"a":1.50} , "\xc3\xab",\n null ]', {}),
        (b'{"a":1.50}\n"\xc3\xab"\n\nnull', {}),
        (b'{"name": "\xc3\xab", "data" : [{"a":1.50}, "\xc3\xab" , null], "next": 7}', {"name": "ë", "next": "7"}),
        (
            b'{\n"channel": {"id": 1, "items": [\n{"a":1.50},"\xc3\xab",null]}, "b": []}',
            {"channel": {"id": "1"}, "b": []},
        ),
        (b'window.YTD.a.part0 = [ {"a":1.50},"\xc3\xab",null]', {"variable": "window.YTD.a.part0"}),
        (b'window.YTD.a.part0 = [ {"a":1.50},"\xc3\xab",null] ;\n', {"variable": "window.YTD.a.part0"}),
    ],
    ids=["array", "lines", "object", "object in an object", "js", "js with a mark at its end"],
)
@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize("careful", [True, False])
def test_records__of_each_shape_are_the_same(tmp_path, content, enclosing, mark, careful):
    found = read(tmp_path / "a", mark + content, careful=careful)
    records = list(found.records)
    assert found.enclosing == enclosing
    assert [(record.text, record.value) for record in records] == [
        ('{"a":1.50}', {"a": "1.50"}),
        ('"ë"', "ë"),
        ("null", None),
    ]
    check_places(mark + content, records)


@pytest.mark.parametrize(("choice", "expected"), [(LAST_FILLED, ["2", "3"]), (LAST, []), (FIRST, ["1"])])
def test_records__of_a_list_that_stands_several_times_are_those_of_one(tmp_path, choice, expected):
    content = b'{"data": [1], "x": 1, "data": [2, 3], "data": []}'
    found = read(tmp_path / "a", content, choice=choice)
    assert [record.value for record in found.records] == expected
    assert found.enclosing == {"x": "1"}


@pytest.mark.parametrize(
    "content", [b'{"data": {"a": [1]}}', b'{"channel": [], "items": [1]}', b'{"a": {"data": [1]}}']
)
def test_records__of_an_object_without_the_list_are_the_object(tmp_path, content):
    found = read(tmp_path / "a", content)
    assert [record.value for record in found.records] == [json.loads(content.replace(b"1", b'"1"'))]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"data": [1, 2', "the document is cut short"),
        (b'{"data": [1, 2], 3}', "not valid JSON (Expecting property name enclosed in double quotes)"),
        (b'{"data": [1 2]}', "not valid JSON (Expecting ',' delimiter)"),
        (b'{"data": [1]} x', "not valid JSON (Extra data)"),
        (b'{"data": [1, NaN]}', "NaN is not JSON"),
        (b'{"data": [1, "\xff"]}', "not UTF-8"),
        (b'{"data": ' + b"[" * 99_999 + b"]" * 99_999 + b"}", "nested too deeply"),
        (b'{"data": [1, "' + b"x" * (9 << 20) + b'"]}', "a document is longer than the 1,048,576 bytes that [landing] "
         "max_document_bytes allows"),
        (b"x.y = [{}, 2", "the array is cut short"),
        (b"x.y = [{}] more", "text follows the end of the array"),
        (b'x.y = {"a": 1} more', "not valid JSON (Extra data)"),
    ],
)  # fmt: skip
def test_file__that_is_damaged_is_broken_with_the_same_words_as_a_native_one(tmp_path, content, reason):
    with pytest.raises(BrokenSource) as broken:
        list(read(tmp_path / "a", content).records)
    assert broken.value.fault.reason == reason


def test_lines__that_are_not_json_have_a_fault_each(tmp_path):
    found = list(read(tmp_path / "a", b'{"a": 1}\n{"a": \n{"b": "\xff"}\n').records)
    assert [(record.offset, record.fault, record.text, record.value) for record in found] == [
        (0, None, '{"a": 1}', {"a": "1"}),
        (9, "not_json", '{"a":', None),
        (16, "not_json", '{"b": "\\xff"}', None),
    ]


def test_file__that_is_gone_is_broken(tmp_path):
    with pytest.raises(BrokenSource) as broken:
        look_at_source(Source("f", tmp_path / "gone"))
    assert broken.value.fault.reason == "cannot be read (No such file or directory)"


def test_archive__stands_for_its_members_and_native_ones_are_read_as_ever(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/tweets.js", 'x.y = ["1"]')
        archive.writestr("a.json", '[{"user_id": "u1", "posts": []}]')
        archive.writestr("c.png", "")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04")
    (tmp_path / "b.json").write_bytes(b'[{"user_id": "u1", "posts": []}]')
    files = [Source(name, tmp_path / name) for name in ("a.zip", "broken.zip", "b.json")]
    sources = [source for file in files for source in expand_archive(file) or [file]]
    assert [source.file for source in sources] == ["a.zip/a.json", "a.zip/b/tweets.js", "broken.zip", "b.json"]
    assert list_archive(files[0].path).left_alone == {"pictures, sounds, videos or pages": 1}
    for careful in (True, False):
        assert list(read_documents(sources[0], careful)) == list(read_documents(sources[3], careful))
    assert [record.value for record in read_source_records(sources[1], look_at_source(sources[1])).records] == ["1"]
    for read_broken in (look_at_source, lambda source: list(read_documents(source))):
        with pytest.raises(BrokenSource) as broken:
            read_broken(sources[2])
        assert broken.value.fault.reason == "damaged zip archive (File is not a zip file)"
        assert broken.value.fault.file == "broken.zip"
