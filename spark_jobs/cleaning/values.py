"""Values: what the rules of cleaning do with columns of text. Each function takes and gives whole Arrow arrays."""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.schemas import TIME, WHITE_SPACE

NUL = "\0"
NUL_SYMBOL = "\u2400"
DIGEST_BYTES = 16
CAPITAL_SIGMA = "\u03a3"
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
USUAL_TIME = r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"
ANY_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"(?: ?(?:Z|([+-])(\d{2})(?::?(\d{2}))?))?)?",
    re.ASCII,
)
LONGEST_OFFSET = timedelta(hours=18)
"""The largest offset from UTC that ISO 8601 implementations accept; no time zone comes near."""


def trim_blanks(texts: pa.StringArray) -> pa.StringArray:
    """Texts without leading and trailing white space."""
    return pc.utf8_trim(texts, characters=WHITE_SPACE)


def trim_texts(texts: pa.StringArray) -> pa.StringArray:
    """Texts without NUL characters, trimmed."""
    return trim_blanks(pc.replace_substring(texts, NUL, ""))


def trim_to_null(texts: pa.StringArray) -> pa.StringArray:
    """Texts without NUL characters, trimmed; null where nothing is left."""
    trimmed = trim_texts(texts)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def lower_texts(texts: pa.StringArray) -> pa.StringArray:
    """Texts in lower case as Unicode has it: of a whole text, so that İ becomes two characters and the last sigma of a
    word its final form; also where a small one stands in the other form, since ΟΔΟΣ may have been either."""
    return _convert_texts(texts, pc.ascii_lower(texts), _lower_text)


def compose_texts(texts: pa.StringArray) -> pa.StringArray:
    """Texts in Unicode's normal form NFC: an é of one character and one of two are the same."""
    return _convert_texts(texts, texts, _compose_text)


def _lower_text(text: str) -> str:
    return text.replace("\u03c3", CAPITAL_SIGMA).replace("\u03c2", CAPITAL_SIGMA).lower()


def _compose_text(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _convert_texts(texts: pa.StringArray, of_ascii: pa.StringArray, convert: Callable[[str], str]) -> pa.StringArray:
    """The texts converted: those in ASCII, as most are, already are in `of_ascii`; every distinct other one is
    converted once."""
    is_other = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(is_other).as_py():
        return of_ascii
    others = texts.filter(is_other).dictionary_encode()
    converted = pa.array(map(convert, others.dictionary.to_pylist()), pa.string())
    return pc.replace_with_mask(of_ascii, pc.fill_null(is_other, False), converted.take(others.indices))


def has_nul_character(texts: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring(texts, NUL)


def has_lost_its_value(texts: pa.StringArray, values: pa.Array) -> pa.BooleanArray:
    """Whether there is a text, other than blanks, but no value."""
    return pc.and_(pc.is_null(values), pc.not_equal(trim_texts(texts), ""))


def replace_nul_characters(texts: pa.StringArray) -> pa.StringArray:
    """Raw text as PostgreSQL can hold it: a NUL becomes its symbol."""
    return pc.replace_substring(texts, NUL, NUL_SYMBOL)


def to_mask(values: pa.BooleanArray) -> np.ndarray:
    """The same as numpy has it; null counts as false."""
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)


def digest_rows(*columns: pa.StringArray) -> bytes:
    """DIGEST_BYTES for the values of each row, joined; a null differs from every text."""
    written = []
    for column in columns:
        length = pc.utf8_length(column).cast(pa.string())
        written.append(pc.fill_null(pc.binary_join_element_wise(length, column, ":"), "-"))
    rows = pc.binary_join_element_wise(*written, "")
    return b"".join([hashlib.md5(row, usedforsecurity=False).digest() for row in rows.cast(pa.binary()).to_pylist()])


def qualify_keys(platforms: pa.StringArray, keys: pa.StringArray) -> pa.StringArray:
    """Keys that differ between platforms; without one a key is itself. None of those begins with a blank."""
    if platforms.null_count == len(platforms):
        return keys
    return pc.if_else(pc.is_null(platforms), keys, pc.binary_join_element_wise("", platforms, keys, " "))


def write_digests(digests: bytes) -> pa.StringArray:
    """Digests, joined, as an array of their hexadecimal digits."""
    text = digests.hex().encode()
    ends = pa.array(range(0, len(text) + 1, 2 * DIGEST_BYTES), pa.int32())
    return pa.StringArray.from_buffers(len(ends) - 1, ends.buffers()[1], pa.py_buffer(text))


def read_digests(digits: pa.StringArray) -> bytes:
    """The opposite of `write_digests`."""
    return bytes.fromhex("".join(digits.to_pylist()))


def parse_whole_numbers(texts: pa.StringArray, largest: int, smallest: int = 0) -> pa.Int64Array:
    """The whole numbers from `smallest` to `largest`; null for all other texts. Every distinct text is parsed once."""
    encoded = texts.dictionary_encode()
    numbers = [parse_whole_number(each, largest, smallest) for each in encoded.dictionary.to_pylist()]
    return pa.array(numbers, pa.int64()).take(encoded.indices)


def parse_whole_number(text: str, largest: int, smallest: int = 0) -> int | None:
    """The same of one text."""
    trimmed = text.replace(NUL, "").strip(WHITE_SPACE)
    if not NUMBER.fullmatch(trimmed):
        return None
    number = Decimal(trimmed)
    return int(number) if smallest <= number <= largest and number == number.to_integral_value() else None


def parse_times(texts: pa.StringArray) -> pa.TimestampArray:
    """Times in UTC; null for texts that are no time.

    Arrow parses those in the usual form if it can parse all of them; the others are parsed one by one.
    """
    is_usual = pc.fill_null(pc.match_substring_regex(texts, USUAL_TIME), False)
    try:
        values = pc.if_else(is_usual, texts, None).cast(TIME)
    except pa.ArrowInvalid:
        is_usual = pa.array(np.zeros(len(texts), bool))
        values = pa.nulls(len(texts), TIME)
    is_other = pc.and_(pc.invert(is_usual), pc.is_valid(texts))
    others = [_parse_time(each) for each in texts.filter(is_other).to_pylist()]
    return pc.replace_with_mask(values, is_other, pa.array(others, TIME)) if others else values


def _parse_time(text: str) -> datetime | None:
    found = ANY_TIME.fullmatch(text.replace(NUL, "").strip(WHITE_SPACE))
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups(default="0")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset > LONGEST_OFFSET or int(minutes) > 59:
        return None
    try:
        whole_seconds = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
        local = whole_seconds + timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None


def format_times(times: pa.TimestampArray) -> pa.StringArray:
    """Times as text, without trailing zeros of the fraction."""
    return pc.utf8_rtrim(pc.utf8_rtrim(times.cast(pa.string()), "0"), ".")


def flatten_lists(lists: pa.ListArray) -> tuple[np.ndarray, pa.Array]:
    """The number of its list for each element of all lists, and the elements."""
    return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)


def build_lists(owners: np.ndarray, elements: pa.Array, count: int) -> pa.ListArray:
    """The opposite of `flatten_lists`: `count` lists of elements; `owners`, in ascending order, says whose each is."""
    ends = np.searchsorted(owners, np.arange(count + 1))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), elements)
