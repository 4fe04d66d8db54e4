"""Where documents start and end: brackets count, unless they stand in strings."""

import pytest

from spark_jobs.extraction.brackets import find_documents


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ([], [], None)),
        (b" , ", ([], [], None)),
        (b"]", ([], [], 0)),
        (b"{}", ([0], [2], None)),
        (b'{"a":[{}]}, {}]', ([0, 12], [10, 14], 14)),
        (b"[{}], 7]", ([0], [4], 7)),
        (b"{}, {", ([0], [2], None)),
        (b"{}]{}]", ([0], [2], 2)),
        (b'{"a": "}"}]', ([0], [10], 10)),
        (rb'{"\"}": "\\"}]', ([0], [13], 13)),
        (rb'{"\\\"}": 1}]', ([0], [12], 12)),
        (b'"]" ]', ([], [], 4)),
        (b'{"a": "]', ([], [], None)),
    ],
    ids=[
        "nothing",
        "no bracket",
        "end",
        "document",
        "nested",
        "list and number",
        "cut document",
        "text after the end",
        "bracket in a string",
        "escaped quote",
        "escaped backslash and quote",
        "end in a string",
        "open string",
    ],
)
def test_find_documents__gives_whole_objects_and_lists_and_the_end_of_the_array(data, expected):
    assert find_documents(data) == expected
