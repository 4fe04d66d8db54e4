"""Strict JSON parsing: numbers stay the text they were written as; NaN and Infinity are errors."""

import json
import re

BLANKS = b" \t\n\r"
"""The white space of JSON, which is less than that of Python."""
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
TOO_DEEP = "nested too deeply"

_BLANKS = re.compile(r"[ \t\n\r]*")


def parse_json(content: bytes) -> object:
    """The value of a JSON text in UTF-8. Raises ValueError."""
    try:
        return _DECODER.decode(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def is_json(content: bytes) -> bool:
    """Whether the bytes are one JSON text in UTF-8."""
    try:
        parse_json(content)
    except ValueError:
        return False
    return True


def parse_value_at(text: str, start: int) -> tuple[object, int]:
    """The JSON value that starts at an index of a text, and the index of its end. Raises ValueError, RecursionError."""
    return _DECODER.raw_decode(text, start)


def skip_blanks(text: str, start: int) -> int:
    """The index of the first character from `start` on that is not JSON white space."""
    blanks = _BLANKS.match(text, start)
    return blanks.end() if blanks else start


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)
