"""Texts of others: whatever they hold, they stay on their line, and drive nothing."""

import json
import sys
import unicodedata

import pytest

from luigi_tasks import texts

UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
"""Controls, halves of characters, line ends: of these, no character may pass."""
TURNS_DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
ORDINARY = ["2026-11-23", "Müller", "日本語", "ناشر\u200cها", "👩\u200d🔬", "a  b", "\\n", ""]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts__stay_as_they_are(text):
    for function in (texts.format_line, texts.format_lines, texts.format_block, texts.make_storable):
        assert function(text) == text


def test_format_line__escapes_every_character_that_ends_a_line_or_drives_a_terminal():
    passed = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if (unicodedata.category(char) in UNSAFE_CATEGORIES or unicodedata.bidirectional(char) in TURNS_DIRECTION)
        and texts.format_line(f"a{char}b") == f"a{char}b"
    ]
    assert passed == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nERROR b", "a\\nERROR b"),
        ("\x1b[2J\x9b31m", "\\x1b[2J\\x9b31m"),
        ("a\u2028b\x85c\r", "a\\u2028b\\x85c\\r"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\0", "\\x00"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_format_line__shows_what_it_escapes(text, shown):
    assert texts.format_line(text) == shown


def test_format_line__cuts_the_middle_of_a_long_text():
    assert texts.format_line("a" * 9_000 + "\n" * 9_000, 10) == "aaaaa … (17,990 characters) … \\n\\n\\n\\n\\n"
    assert texts.format_line("a" * 10, 10) == "a" * 10


def test_format_block__keeps_lines_but_lets_none_look_like_a_first_one():
    assert texts.format_block("a\n12:00:00 ERROR b\x1b\n    c\td\n\ne") == (
        "a\n  12:00:00 ERROR b\\x1b\n    c\td\n\n  e"
    )
    assert texts.format_lines("a\nb\u2028c") == "a\nb\\u2028c"


def test_format_names__lists_some_and_counts_the_rest():
    names = [f"f{number}" for number in range(1_500)]
    assert texts.format_names(names, 3) == "f0, f1, f2 and 1,497 more"
    assert texts.format_names(names[:3], 3) == "f0, f1, f2"
    assert texts.format_names(["a\nb", "x" * 9_000]).startswith("a\\nb, x")
    assert len(texts.format_names(["x" * 9_000])) < 200


def test_make_storable__changes_only_what_no_table_can_hold():
    assert texts.make_storable("a\0b\ud800\n\u202e") == "a\\x00b\\ud800\n\u202e"


@pytest.mark.parametrize(("text", "cut"), [("abcd", "abcd"), ("abcde", "a…"), ("éééé", "…")])
def test_cut_to_bytes__cuts_whole_characters(text, cut):
    assert texts.cut_to_bytes(text, 4) == cut


def test_count__says_one_row_and_two_rows():
    assert [texts.count(number, "row") for number in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert texts.count(2, "batch", "batches") == "2 batches"


@pytest.mark.parametrize("text", ["\u202e\x7f\x9b\u2028 \U000e0041", 'é 😀 "\\"', "half \ud800", "\x1b[2J\n\0"])
def test_format_json__is_one_safe_line_with_the_whole_text(text):
    line = texts.format_json({"text": text})
    assert json.loads(line) == {"text": text}
    assert line == texts.format_line(line)


def test_format_json__leaves_other_characters():
    assert texts.format_json(["é 😀"]) == '["é 😀"]'
