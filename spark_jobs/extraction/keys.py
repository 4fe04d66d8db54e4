"""Keys: which values identify a record, and when two of them are the same.

A text is what it says. A number is written out, so that 7, 7.0 and 7e0 are the text "7" and 7.50 is "7.5".
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.extraction.parsing import WrittenNumber
from spark_jobs.schemas import LONGEST_KEY, WHITE_SPACE

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)0*([0-9]+))?")
_BLANK = WHITE_SPACE + "\0"
_LONGEST_EXPONENT = 9
"""Digits: no number with a longer exponent is written out within LONGEST_KEY, unless it is 0."""


def read_key(value: object) -> str | None:
    """The text of a key; None where there is none: absent, blank, too long, or neither a text nor a number."""
    text = write_out(value) if isinstance(value, WrittenNumber) else value
    return text if is_key(text) else None  # type: ignore[return-value]


def is_key(value: object) -> bool:
    """Whether a value is a text that can be a key: neither blank nor too long."""
    return value.__class__ is str and 0 < len(value.strip(_BLANK)) <= LONGEST_KEY  # type: ignore[attr-defined]


def are_keys(column: pa.StringArray) -> bool:
    """Whether `is_key` holds of all values of a column."""
    lengths = pc.min_max(pc.utf8_length(pc.utf8_trim(column, _BLANK))).as_py()
    return not column.null_count and (not len(column) or (lengths["min"] > 0 and lengths["max"] <= LONGEST_KEY))


def write_out(number: WrittenNumber) -> str | None:
    """A number without an exponent and without needless zeros; None where that is longer than LONGEST_KEY."""
    ((sign, whole, fraction, exponent_sign, exponent),) = _NUMBER.findall(number)
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "0"
    if len(exponent) > _LONGEST_EXPONENT:
        return None
    significant = digits.rstrip("0")
    zeros = int(exponent_sign + (exponent or "0")) - len(fraction) + len(digits) - len(significant)
    if len(significant) + abs(zeros) > 2 * LONGEST_KEY:
        return None
    if zeros >= 0:
        written = significant + "0" * zeros
    else:
        padded = significant.rjust(1 - zeros, "0")
        written = f"{padded[:zeros]}.{padded[zeros:]}"
    return sign + written if len(sign + written) <= LONGEST_KEY else None
