"""The JSON texts of landing files are the same however little is read at a time."""

import io
import json
import random

import pytest

from spark_jobs.extraction import json_texts
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.json_texts import JsonText, read_texts

UTF8_MARK = b"\xef\xbb\xbf"

chunk_sizes = pytest.mark.parametrize("chunk_bytes", [3, 7, 64, 8 << 20])


@pytest.fixture(autouse=True)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads as few bytes at a time as the parameter `chunk_bytes` says, where a test has one."""
    if "chunk_bytes" in request.fixturenames:
        monkeypatch.setattr(json_texts, "CHUNK_BYTES", request.getfixturevalue("chunk_bytes"))


def texts_of(content: bytes) -> list[JsonText]:
    return list(read_texts(io.BytesIO(content)))


def contents(content: bytes) -> list[bytes]:
    return [text.content for text in texts_of(content)]


def verdict(content: bytes) -> tuple[int, str]:
    with pytest.raises(BrokenFile) as raised:
        texts_of(content)
    return raised.value.offset, raised.value.reason


# Arrays


@chunk_sizes
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"a":1},{"b":2}]', [JsonText(1, b'{"a":1}', False), JsonText(9, b'{"b":2}', False)]),
        (
            b'[\n    {\n        "a": 1\n    },\n    {\n        "b": 2\n    }\n]\n',
            [JsonText(6, b'{\n        "a": 1\n    }', False), JsonText(34, b'{\n        "b": 2\n    }', False)],
        ),
        (UTF8_MARK + b' [{"a":1}]', [JsonText(5, b'{"a":1}', False)]),
        (b'\r\n\t [\r\n{"a":1}\t,\r\n{}]\r\n', [JsonText(7, b'{"a":1}', False), JsonText(18, b"{}", False)]),
        (b'[{"a":{"b":[{"c":[]}]}}]', [JsonText(1, b'{"a":{"b":[{"c":[]}]}}', False)]),
        ('[{"a":"žluťoučký 🐎"}]'.encode(), [JsonText(1, '{"a":"žluťoučký 🐎"}'.encode(), False)]),
        (b"[]", []),
        (b" [ \n ] \n", []),
    ],
    ids=["compact", "pretty", "byte order mark", "odd blanks", "nested", "other scripts", "empty", "empty and blanks"],
)
def test_read_texts__gives_the_documents_of_an_array_and_where_they_start(chunk_bytes, content, expected):
    assert texts_of(content) == expected


@chunk_sizes
@pytest.mark.parametrize("content", [b"", b"   ", b"\n\r\n\t", UTF8_MARK, UTF8_MARK + b"\n"])
def test_read_texts__refuses_a_file_that_says_nothing(chunk_bytes, content):
    assert verdict(content) == (0, "nothing is in it; an export without records is []")


@chunk_sizes
@pytest.mark.parametrize(
    "text",
    [
        "{[()]}",
        "}]",
        "[{",
        'a "quoted" word',
        '"',
        '\\"',
        '\\\\"',
        "\\",
        "\\\\",
        "\\\\\\\\\\",
        '\\\\\\"},{"b":"',
        "ends in \\",
        ", {",
        "\\u007b",
    ],
)
def test_read_texts__is_not_misled_by_what_stands_in_strings(chunk_bytes, text):
    documents = [{"a": text, text: 1}, {"b": [text, {"c": text}]}, {}]
    assert [json.loads(content) for content in contents(json.dumps(documents).encode())] == documents


@chunk_sizes
def test_read_texts__gives_elements_that_are_no_objects_their_place_among_the_documents(chunk_bytes):
    content = b'[null, {"a":1}, 2, "x", [3, {"b":4}], true, {"c":5}, false]'
    expected = [b"null", b'{"a":1}', b"2", b'"x"', b'[3, {"b":4}]', b"true", b'{"c":5}', b"false"]
    assert contents(content) == expected


@pytest.mark.parametrize("element", ["1.50", "1e400", '"é"', '"\\u00e9"', "12345678901234567890.10"])
def test_read_texts__keeps_the_exact_text_of_elements_that_are_no_objects(element):
    assert contents(f'[{{"a":1}}, {element}, {{"b":2}}]'.encode()) == [b'{"a":1}', element.encode(), b'{"b":2}']


def test_read_texts__reads_an_array_of_long_documents():
    documents = [{"a": "x" * length} for length in (10, 100_000, 3, 50_000)]
    assert [json.loads(content) for content in contents(json.dumps(documents).encode())] == documents


LONG = {"a": "x" * 1000, "b": 1}


@pytest.mark.parametrize(
    ("content", "offset"),
    [
        (json.dumps([{"a": 1}, LONG]), 9),
        (json.dumps(LONG), 0),
        (json.dumps(LONG, indent=4), 0),
        (json.dumps({"a": 1}) + "\n" + json.dumps(LONG), 9),
    ],
)
def test_read_texts__names_the_limit_that_a_document_exceeds(monkeypatch, content, offset):
    monkeypatch.setattr(json_texts, "CHUNK_BYTES", 10)
    reason = "a document is longer than the 100 bytes that [landing] max_document_bytes allows"
    with pytest.raises(BrokenFile) as caught:
        list(read_texts(io.BytesIO(content.encode()), 100))
    assert (caught.value.offset, caught.value.reason) == (offset, reason)
    assert len(list(read_texts(io.BytesIO(content.encode()), 1100))) > 0


def test_read_texts__reads_more_lines_than_a_document_may_have_bytes_after_a_bad_first_line(monkeypatch):
    monkeypatch.setattr(json_texts, "CHUNK_BYTES", 10)
    lines = ["no JSON", *[json.dumps({"a": number}) for number in range(100)]]
    assert len(list(read_texts(io.BytesIO("\n".join(lines).encode()), 100))) == 101


# One document


@chunk_sizes
@pytest.mark.parametrize("indent", [1, 4, "\t"])
@pytest.mark.parametrize(
    "document",
    [
        {"user_id": "u1", "posts": [{"post_id": "p1", "comments": []}]},
        {"user_id": "u1", "posts": [{}, {"comments": [{}]}]},
        {"user_id": "u1", "posts": [[], {}, 1, "{}", None]},
    ],
    ids=["usual", "empty objects on lines of their own", "other values on lines of their own"],
)
def test_read_texts__takes_a_pretty_printed_document_for_one(chunk_bytes, indent, document):
    content = json.dumps(document, indent=indent).encode()
    assert texts_of(b"\n" + content + b"\n\n") == [JsonText(1, content, False)]


@chunk_sizes
def test_read_texts__takes_a_document_whose_posts_have_a_line_each_for_one(chunk_bytes):
    content = b'{\n"user_id": "u1",\n"posts": [\n{"post_id": "p1"},\n{"post_id": "p2"}\n]\n}'
    assert texts_of(content) == [JsonText(0, content, False)]


# JSON Lines


@chunk_sizes
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a":1}\n{"b":2}\n', [JsonText(0, b'{"a":1}', True), JsonText(8, b'{"b":2}', True)]),
        (b'{"a":1}\n{"b":2}', [JsonText(0, b'{"a":1}', True), JsonText(8, b'{"b":2}', True)]),
        (b'{"a":1}', [JsonText(0, b'{"a":1}', True)]),
        (b'{"a":1}\r\n{"b":2}\r\n', [JsonText(0, b'{"a":1}', True), JsonText(9, b'{"b":2}', True)]),
        (b'\n\n{"a":1}\n\n \t\n  {"b":2}\n\n', [JsonText(2, b'{"a":1}', True), JsonText(16, b'{"b":2}', True)]),
        (UTF8_MARK + b'{"a":1}\n{"b":2}\n', [JsonText(3, b'{"a":1}', True), JsonText(11, b'{"b":2}', True)]),
        (
            b'{"a":1}\n{"b":\nnonsense\n{}\n',
            [
                JsonText(0, b'{"a":1}', True),
                JsonText(8, b'{"b":', True),
                JsonText(14, b"nonsense", True),
                JsonText(23, b"{}", True),
            ],
        ),
        (b'{"a":\n{"b":2}\n', [JsonText(0, b'{"a":', True), JsonText(6, b'{"b":2}', True)]),
        (b'nonsense\n{"b":2}\n', [JsonText(0, b"nonsense", True), JsonText(9, b'{"b":2}', True)]),
        (b'{"a":"\xff"}\n{"b":2}\n', [JsonText(0, b'{"a":"\xff"}', True), JsonText(10, b'{"b":2}', True)]),
    ],
    ids=[
        "usual",
        "no final newline",
        "one line",
        "CRLF",
        "blank lines",
        "byte order mark",
        "bad lines",
        "cut first line",
        "first line no JSON at all",
        "first line not UTF-8",
    ],
)
def test_read_texts__gives_every_line_whatever_it_holds(chunk_bytes, content, expected):
    assert texts_of(content) == expected


def test_read_texts__does_not_take_a_line_separator_of_unicode_for_the_end_of_a_line():
    document = {"a": "one\u2028two\u0085three\x0b"}
    line = json.dumps(document, ensure_ascii=False).encode()
    assert contents(line + b"\n" + line) == [line, line]


# Broken files


@chunk_sizes
@pytest.mark.parametrize(
    ("content", "offset"),
    [
        (b"[", 1),
        (b"[\n  ", 4),
        (b'[{"a":1}', 8),
        (b'[{"a":1},', 9),
        (b'[{"a":1}, {"b":2}\n', 18),
        (b'[{"a":1}, {', 11),
        (b'[{"a":1}, {"b"', 14),
        (b'[{"a":1}, {"b":', 15),
        (b'[{"a":1}, {"b":2', 16),
        (b'[{"a":1}, {"b":2,', 17),
        (b'[{"a":1}, {"b":"te', 18),
        (b'[{"a":1}, {"b":"te\\', 19),
        (b'[{"a":1}, {"b":[1', 17),
        (b'[{"a":1}, 12', 12),
        (UTF8_MARK + b'[{"a":"x', 11),
        ('[{"a":"é'.encode(), 9),
    ],
)
def test_read_texts__tells_where_an_array_is_cut_short(chunk_bytes, content, offset):
    assert verdict(content) == (offset, "the array is cut short")


@pytest.mark.parametrize(
    "content",
    [b'[{"a": tr', b'[{"a": -', b'[{"a": 1.', b'[{"a": 1e', b'[{"a": "\\u12', '[{"a": "é'.encode()[:-1]],
    ids=["in a word", "after a sign", "after a point", "in an exponent", "in an escape", "within a character"],
)
def test_read_texts__tells_where_an_array_is_cut_short_within_a_value(content):
    assert verdict(content) == (len(content), "the array is cut short")


@chunk_sizes
@pytest.mark.parametrize(
    ("content", "offset", "reason"),
    [
        (b'[{"a":1}]x', 9, "text follows the end of the array"),
        (b'[{"a":1}]\n[{"b":2}]', 10, "text follows the end of the array"),
        (b"[]\n]", 3, "text follows the end of the array"),
        (b'[{"a":1} {"b":2}]', 8, "not valid JSON between two documents of the array"),
        (b'[{"a":1},,{"b":2}]', 8, "not valid JSON between two documents of the array"),
        (b'[{"a":1}, nonsense, {"b":2}]', 8, "not valid JSON between two documents of the array"),
        (b'[{"a":1}, NaN, {"b":2}]', 8, "not valid JSON between two documents of the array"),
        (b'[{"a":1},\xff{"b":2}]', 8, "not valid JSON between two documents of the array"),
        (b'[{"a":1},]', 8, "not valid JSON between two documents of the array"),
        (b'[,{"a":1}]', 1, "not valid JSON between two documents of the array"),
        (b'[{"a":1}, {"b": nonsense', 16, "not valid JSON (Expecting value)"),
        (b'{"a":1', 6, "the document is cut short"),
        (b'{\n  "a": "x', 11, "the document is cut short"),
        (b'\n {\n  "a": 1 "b": 2\n}', 13, "not valid JSON (Expecting ',' delimiter)"),
        ('{"é": 1 "b": 2}'.encode(), 9, "not valid JSON (Expecting ',' delimiter)"),
        (b'{"a":1}{"b":2}', 7, "not valid JSON (Extra data)"),
        (b'{\n"a": "\xff"\n}', 8, "not UTF-8"),
        (UTF8_MARK + b'{\n"a": "\xff"\n}', 11, "not UTF-8"),
    ],
)
def test_read_texts__names_place_and_reason_of_the_damage(chunk_bytes, content, offset, reason):
    assert verdict(content) == (offset, reason)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_read_texts__refuses_utf_16(encoding):
    mark = {"utf-16": "", "utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}[encoding]
    assert verdict((mark + '[{"a":1}]').encode(encoding)) == (0, "UTF-16, not UTF-8")


@chunk_sizes
def test_read_texts__gives_all_documents_before_the_damage(chunk_bytes):
    texts = read_texts(io.BytesIO(b'[{"a":1}, {"b":2}, {"c":'))
    assert [next(texts).content, next(texts).content] == [b'{"a":1}', b'{"b":2}']
    with pytest.raises(BrokenFile):
        next(texts)


# Any document at all


def random_value(numbers: random.Random, depth: int = 0) -> object:
    kind = numbers.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [random_value(numbers, depth + 1) for _ in range(numbers.randrange(4))]
    if kind == 7:
        return random_document(numbers, depth + 1)
    return [None, True, -17, 0.5, random_text(numbers), ""][kind]


def random_text(numbers: random.Random) -> str:
    return "".join(numbers.choices('ab "\\/{}[],:\n\r\té🐎\u2028\x00', k=numbers.randrange(12)))


def random_document(numbers: random.Random, depth: int = 0) -> dict[str, object]:
    return {random_text(numbers): random_value(numbers, depth) for _ in range(numbers.randrange(5))}


@pytest.mark.parametrize("seed", range(200))
def test_read_texts__gives_back_any_documents(monkeypatch, seed):
    numbers = random.Random(seed)
    monkeypatch.setattr(json_texts, "CHUNK_BYTES", numbers.choice([3, 5, 100, 8 << 20]))
    documents = [random_document(numbers) for _ in range(numbers.randrange(1, 6))]
    spaces, is_ascii = numbers.choice([(",", ":"), (", ", ": "), (" ,\t", " : ")]), numbers.random() < 0.5
    if numbers.random() < 0.5:
        indent = numbers.choice([None, 0, 1, 4, "\t"])
        content = json.dumps(documents, indent=indent, separators=spaces, ensure_ascii=is_ascii)
    else:
        lines = [json.dumps(document, separators=spaces, ensure_ascii=is_ascii) for document in documents]
        content = numbers.choice(["\n", "\r\n", "\n\n"]).join(lines)
    assert [json.loads(text) for text in contents(content.encode())] == documents


@pytest.mark.parametrize("seed", range(20))
def test_read_texts__refuses_an_array_wherever_it_is_cut(seed):
    numbers = random.Random(seed)
    documents = [random_document(numbers) for _ in range(3)]
    content = json.dumps(documents, indent=numbers.choice([None, 2]), ensure_ascii=False).encode()
    for length in range(1, len(content)):
        offset, _ = verdict(content[:length])
        assert offset <= length
