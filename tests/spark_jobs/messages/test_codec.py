"""Messages come back as they were written, and a reader names everything that is wrong with one."""

import pytest

from spark_jobs.messages import (
    BatchToExtract,
    CleanCounts,
    EntityOutcome,
    ExtractRequest,
    FileToRead,
    MessageError,
    from_json,
    read_message,
    to_json,
    write_message,
)

REQUEST = ExtractRequest([BatchToExtract("2026-01-01", [FileToRead("a.json", "/landing/é.json")])], "/staging", None)
COUNTS = CleanCounts({"documents": 1}, {"post": {"accepted": EntityOutcome(1, "f", {"shares": 2})}}, ["shoe_size"])


@pytest.mark.parametrize("message", [REQUEST, COUNTS], ids=lambda message: type(message).__name__)
def test_from_json__gives_what_to_json_wrote(message):
    assert from_json(type(message), to_json(message)) == message


def test_from_json__gives_a_field_that_is_missing_its_default():
    assert from_json(FileToRead, '{"name": "a", "path": "/a"}') == FileToRead("a", "/a", None)


def test_read_message__gives_what_was_written_at_a_path_or_uri(tmp_path):
    for place in (str(tmp_path / "request.json"), f"file://{tmp_path}/other.json"):
        write_message(place, REQUEST)
        assert read_message(ExtractRequest, place) == REQUEST
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.json", "request.json"]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("{", "not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("[]", "message: ExtractRequest expected, [] found"),
        (
            '{"batches": [{"name": 7, "files": {}}], "stagin": "/s", "max_unpacked_bytes": true}',
            "staging: missing; stagin: unknown; batches[0].name: a text expected, 7 found; "
            "batches[0].files: a list expected, {} found; max_unpacked_bytes: a whole number expected, true found",
        ),
    ],
)
def test_from_json__lists_all_that_is_wrong(text, faults):
    with pytest.raises(MessageError) as raised:
        from_json(ExtractRequest, text)
    assert str(raised.value) == faults


def test_read_message__names_the_place(tmp_path):
    with pytest.raises(MessageError, match=r"nowhere\.json: cannot be read \("):
        read_message(ExtractRequest, str(tmp_path / "nowhere.json"))
    (tmp_path / "odd.json").write_text('{"batches": []}')
    with pytest.raises(MessageError, match=r"odd\.json: does not fit ExtractRequest: staging: missing; max_unpacked"):
        read_message(ExtractRequest, str(tmp_path / "odd.json"))
