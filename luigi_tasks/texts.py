"""Texts of others, made safe to be shown: names of batches, files and fields, errors of other programs, command lines.

Such a text may be of any length and hold any character: one that ends a line, and so forges a line of a log; one that
drives a terminal; one that turns the direction of reading; one that no file, table or message can hold. These functions
write such characters as Python does (`\\n`, `\\x1b`, `\\u2028`) and cut what is too long. All other texts stay as they
are.
"""

import json
import re
from collections.abc import Sequence

LONGEST_LINE = 500
"""Characters of a text in one line: a few lines of a terminal."""
LONGEST_BLOCK = 20_000
"""Characters of a text of several lines: a traceback, or the end of a log."""
LONGEST_NAME = 100
"""Characters of one name in a list of names."""
MOST_NAMES = 20
"""Names in a list of names."""

UNSAFE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f"  # control characters, ESC and NEL among them
    "\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e007f"
    "\\ud800-\\udfff\\ufffe\\uffff]"  # halves of characters, and what is none
)
"""Characters that are not shown as themselves. The second line: invisible ones, line ends, changes of direction; but no
joiners, which Persian and emoji need."""
UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
"""Characters that PostgreSQL cannot hold."""
ESCAPED_BYTES = range(0xDC80, 0xDD00)
"""What Python reads bytes as that are not UTF-8, in names of files and on command lines."""


def format_line(text: object, longest: int = LONGEST_LINE) -> str:
    """Return a text as a part of one line: every unsafe character escaped, its middle cut out if it is too long."""
    return UNSAFE.sub(_escape, _cut(str(text), longest))


def format_lines(text: object, longest: int = LONGEST_BLOCK) -> str:
    """Return a text with its line breaks and tabs, every other unsafe character escaped, cut if it is too long."""
    return UNSAFE.sub(_escape_within_line, _cut(str(text), longest))


def format_block(text: object, longest: int = LONGEST_BLOCK) -> str:
    """Return the same with all lines but the first indented, so that none looks like the first line of another text."""
    first, *others = format_lines(text, longest).split("\n")
    return "\n".join([first, *(line if line.startswith("  ") or not line else f"  {line}" for line in others)])


def format_json(value: object) -> str:
    """Return a value as JSON in one line. Its texts are whole: unsafe characters stand there as JSON escapes."""
    return UNSAFE.sub(_escape_in_json, json.dumps(value, ensure_ascii=False))


def format_names(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Return names as a list in one line: the first ones, and how many there are besides."""
    listed = ", ".join(format_line(name, LONGEST_NAME) for name in names[:most])
    return f"{listed} and {len(names) - most:,} more" if len(names) > most else listed


def make_storable(text: str) -> str:
    """Return a text as PostgreSQL can hold it: unchanged, but for NUL and halves of characters, which are escaped."""
    return UNSTORABLE.sub(_escape, text)


def cut_to_bytes(text: str, most: int) -> str:
    """Return a text that has at most `most` bytes in UTF-8, with … where its end was cut off."""
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[: most - len("…".encode())].decode(errors="ignore") + "…"


def count(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`; `nouns` is the plural, where that is not noun + s."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def _cut(text: str, longest: int) -> str:
    """A text without its middle, which says the least: errors begin with what failed and end with what to do."""
    if len(text) <= longest:
        return text
    kept = longest // 2
    return f"{text[:kept]} … ({len(text) - 2 * kept:,} characters) … {text[len(text) - kept :]}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if code in ESCAPED_BYTES else match[0].encode("unicode_escape").decode()


def _escape_in_json(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")  # JSON's escapes are of two bytes each
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _escape_within_line(match: re.Match[str]) -> str:
    return match[0] if match[0] in "\n\t" else _escape(match)
