"""Strict JSON parsing: numbers stay the text they were written as; NaN and Infinity are errors."""

import json
import re
from typing import Any

BLANKS = b" \t\n\r"
"""The white space of JSON, which is less than that of Python."""
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
UTF32_BOMS = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
"""The first begins as one of UTF-16 does."""
TOO_DEEP = "nested too deeply"

_BLANKS = re.compile(r"[ \t\n\r]*")


class WrittenNumber(str):
    """A number written with a fraction or an exponent, as it is written: `7.0` is not the text "7.0"."""

    __slots__ = ()


class RepeatingObject(dict[str, object]):
    """An object in which keys stand more than once: its members are the last of each key, `repeated` has every value of
    those keys, in order."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        values: dict[str, list[object]] = {}
        for key, value in pairs:
            values.setdefault(key, []).append(value)
        self.repeated = {key: found for key, found in values.items() if len(found) > 1}


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


def parse_repeating(text: str) -> Any:
    """The value of a JSON text, with a RepeatingObject where a key stands twice; takes twice the time. Raises
    ValueError, RecursionError."""
    return _REPEATING_DECODER.decode(text)


def skip_blanks(text: str, start: int) -> int:
    """The index of the first character from `start` on that is not JSON white space."""
    blanks = _BLANKS.match(text, start)
    return blanks.end() if blanks else start


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else RepeatingObject(pairs)


_DECODER = json.JSONDecoder(parse_int=str, parse_float=WrittenNumber, parse_constant=_refuse_constant)
_REPEATING_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=WrittenNumber, parse_constant=_refuse_constant, object_pairs_hook=_build_object
)
