"""The rules of cleaning, each in one place, under the name that `issues` and `rejected` know it by.

They work on whole columns: Arrow arrays of the texts of the Extract checkpoint. A Field pairs the clean values with
what is wrong with the texts they came from.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.schemas import LONGEST_KEY, REACTIONS, TIME, WHITE_SPACE

# Why a record is rejected; besides these the faults of its shape that Extract found: NOT_JSON and so on.
MISSING_USER_ID = "missing_user_id"
MISSING_POST_ID = "missing_post_id"
PARENT_REJECTED = "parent_rejected"

# What is corrected.
INVALID_AGE = "invalid_age"
INVALID_EMAIL = "invalid_email"
UNREADABLE_TIME = "unreadable_time"
INVALID_COUNT = "invalid_count"
NUL_CHARACTER = "nul_character"
TOO_LONG = "too_long"
MALFORMED = "invalid_"  # before `tags` or `reactions`: a value of another shape

OLDEST_AGE = 120
LARGEST_COUNT = 10**12
"""Millions of the largest count still add up within a bigint; no honest counter comes near."""

NUL, NUL_SYMBOL = "\0", "\u2400"
VALUE_LENGTH = 200
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
PLAIN_MOMENT = r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"
MOMENT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"(?: ?(?:Z|([+-])(\d{2})(?::?(\d{2}))?))?)?",
    re.ASCII,
)
FARTHEST_OFFSET = timedelta(hours=18)


@dataclass(frozen=True)
class Field:
    """Clean values, the texts they come from, and which texts broke which rule: pairs of a rule and a mask."""

    name: str
    texts: pa.Array
    values: pa.Array
    broken: tuple[tuple[str, pa.BooleanArray], ...]


def text(field_name: str, texts: pa.StringArray) -> Field:
    """Text as it is kept: without NUL characters, trimmed. An absent text is null, an empty one stays empty."""
    return Field(field_name, texts, _trimmed(texts), ((NUL_CHARACTER, _has_nul(texts)),))


def name(field_name: str, texts: pa.StringArray) -> Field:
    """A text for which blank means absent."""
    return Field(field_name, texts, _given(texts), ((NUL_CHARACTER, _has_nul(texts)),))


def lower_name(field_name: str, texts: pa.StringArray) -> Field:
    """The same, in lower case."""
    return Field(field_name, texts, pc.utf8_lower(_given(texts)), ((NUL_CHARACTER, _has_nul(texts)),))


def identifier(field_name: str, texts: pa.StringArray) -> Field:
    """A key: text for which blank means absent; null where it is too long."""
    given = _given(texts)
    too_long = _is_too_long(given)
    broken = ((NUL_CHARACTER, _has_nul(texts)), (TOO_LONG, too_long))
    return Field(field_name, texts, pc.if_else(too_long, None, given), broken)


def location(texts: pa.StringArray) -> Field:
    """Trimmed, inner white space collapsed; blank is null, and so is one that is too long."""
    collapsed = pc.replace_substring_regex(_given(texts), f"[{WHITE_SPACE}]+", " ")
    too_long = _is_too_long(collapsed)
    broken = ((NUL_CHARACTER, _has_nul(texts)), (TOO_LONG, too_long))
    return Field("location", texts, pc.if_else(too_long, None, collapsed), broken)


def email(texts: pa.StringArray) -> Field:
    """Lower case; null where it is not of the form a@b.c."""
    given = pc.utf8_lower(_given(texts))
    values = pc.if_else(pc.match_substring_regex(given, EMAIL), given, None)
    return Field("email", texts, values, ((NUL_CHARACTER, _has_nul(texts)), (INVALID_EMAIL, _is_lost(texts, values))))


def age(texts: pa.StringArray) -> Field:
    """A whole number in 0..120, else null. 32.0 is whole: many exporters write a column with nulls that way."""
    values = _whole_numbers(texts, OLDEST_AGE).cast(pa.int32())
    return Field("age", texts, values, ((NUL_CHARACTER, _has_nul(texts)), (INVALID_AGE, _is_lost(texts, values))))


def count(field_name: str, texts: pa.StringArray) -> Field:
    """A whole number of at least 0; a missing one is 0 without a word, any other is 0 and an issue."""
    numbers = _whole_numbers(texts, LARGEST_COUNT)
    invalid = pc.and_(pc.is_valid(texts), pc.is_null(numbers))
    return Field(
        field_name, texts, pc.fill_null(numbers, 0), ((NUL_CHARACTER, _has_nul(texts)), (INVALID_COUNT, invalid))
    )


def reactions(structs: pa.StructArray) -> list[Field]:
    """The six counts of a post's reactions."""
    return [count(f"reactions.{reaction}", pc.struct_field(structs, reaction)) for reaction in REACTIONS]


def time(field_name: str, texts: pa.StringArray) -> Field:
    """`yyyy-MM-dd HH:mm:ss` or ISO 8601, in UTC; without an offset it is UTC. Unreadable is null."""
    values = _moments(texts)
    return Field(
        field_name, texts, values, ((NUL_CHARACTER, _has_nul(texts)), (UNREADABLE_TIME, _is_lost(texts, values)))
    )


def tags(lists: pa.ListArray) -> Field:
    """Trimmed, leading # dropped, lower case, each once, in the order of first appearance; blank and too long ones
    dropped."""
    owners, raw = _flattened(lists)
    normal = pc.utf8_lower(_strip(pc.utf8_ltrim(_trimmed(raw), characters="#" + WHITE_SPACE)))
    is_too_long = pc.fill_null(_is_too_long(normal), False).to_numpy(zero_copy_only=False)
    too_long = pa.array(np.isin(np.arange(len(lists)), owners[is_too_long]))
    given = pc.fill_null(pc.not_equal(normal, ""), False).to_numpy(zero_copy_only=False) & ~is_too_long
    owners, normal = owners[given], normal.filter(pa.array(given))
    codes = normal.dictionary_encode()
    same = owners * max(1, len(codes.dictionary)) + codes.indices.to_numpy()
    first = np.sort(np.unique(same, return_index=True)[1])
    values = _listed(owners[first], normal.take(pa.array(first)), len(lists))
    known = pc.is_valid(raw).to_numpy(zero_copy_only=False)
    raw_owners = _flattened(lists)[0][known]
    texts = pc.binary_join(_listed(raw_owners, raw.filter(pa.array(known)), len(lists)), ", ")
    return Field("tags", texts, values, ((NUL_CHARACTER, _has_nul(texts)), (TOO_LONG, too_long)))


def issues(fields: Iterable[Field], malformed: pa.ListArray | None = None) -> pa.Table:
    """What was corrected: columns `record` (the row in the fields), field, rule, value (cut to 200 characters).

    In the order of the records, of the fields and of their rules. `malformed` lists for each record the (field,
    value) pairs of another shape than a field can have.
    """
    found = [
        _issues_of(np.flatnonzero(pc.fill_null(broken, False).to_numpy(zero_copy_only=False)), field, rule)
        for field in fields
        for rule, broken in field.broken
    ]
    if malformed is not None:
        owners, pairs = _flattened(malformed)
        reshaped = pc.struct_field(pairs, "field")
        named = pc.binary_join_element_wise(MALFORMED, reshaped, "")
        found.append(_issue_table(owners, reshaped, named, pc.struct_field(pairs, "value")))
    together = pa.concat_tables(found)
    order = np.argsort(together["record"].to_numpy(), kind="stable")
    return together.take(pa.array(order))


def _issues_of(records: np.ndarray, field: Field, rule: str) -> pa.Table:
    names, rules = (pa.repeat(value, len(records)) for value in (field.name, rule))
    return _issue_table(records, names, rules, field.texts.take(pa.array(records)))


def _issue_table(records: np.ndarray, fields: pa.Array, rules: pa.Array, texts: pa.Array) -> pa.Table:
    shown = pc.utf8_slice_codeunits(without_nul(texts), 0, VALUE_LENGTH)
    return pa.table({"record": pa.array(records, pa.int64()), "field": fields, "rule": rules, "value": shown})


def without_nul(texts: pa.StringArray) -> pa.StringArray:
    """Raw text that PostgreSQL can hold: a NUL shows as its symbol."""
    return pc.replace_substring(texts, NUL, NUL_SYMBOL)


def digests(*parts: pa.StringArray) -> list[bytes]:
    """The 16 bytes that stand for each record's parts; a null differs from every text."""
    written = []
    for part in parts:
        length = pc.utf8_length(part).cast(pa.string())
        written.append(pc.fill_null(pc.binary_join_element_wise(length, part, ":"), "-"))
    together = pc.binary_join_element_wise(*written, "")
    return [hashlib.md5(each, usedforsecurity=False).digest() for each in together.cast(pa.binary()).to_pylist()]


def _strip(texts: pa.StringArray) -> pa.StringArray:
    return pc.utf8_trim(texts, characters=WHITE_SPACE)


def _has_nul(texts: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring(texts, NUL)


def _trimmed(texts: pa.StringArray) -> pa.StringArray:
    return _strip(pc.replace_substring(texts, NUL, ""))


def _given(texts: pa.StringArray) -> pa.StringArray:
    """The trimmed text; null where nothing is left of it."""
    trimmed = _trimmed(texts)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _is_too_long(keys: pa.StringArray) -> pa.BooleanArray:
    return pc.greater(pc.utf8_length(keys), LONGEST_KEY)


def _is_lost(texts: pa.StringArray, values: pa.Array) -> pa.BooleanArray:
    """There was a text other than blanks, and no value came of it."""
    return pc.and_(pc.is_null(values), pc.not_equal(_trimmed(texts), ""))


def _whole_numbers(texts: pa.StringArray, largest: int) -> pa.Int64Array:
    """The whole numbers in 0..`largest`, null for all else; every distinct text is looked at once."""
    encoded = texts.dictionary_encode()
    numbers = [_whole_number(each, largest) for each in encoded.dictionary.to_pylist()]
    return pa.array(numbers, pa.int64()).take(encoded.indices)


def _whole_number(text: str, largest: int) -> int | None:
    trimmed = text.replace(NUL, "").strip(WHITE_SPACE)
    if not NUMBER.fullmatch(trimmed):
        return None
    number = Decimal(trimmed)
    return int(number) if 0 <= number <= largest and number == number.to_integral_value() else None


def _moments(texts: pa.StringArray) -> pa.TimestampArray:
    """Times in UTC: those in the usual form by Arrow, where that can read all of them, the others one by one."""
    plain = pc.fill_null(pc.match_substring_regex(texts, PLAIN_MOMENT), False)
    try:
        values = pc.if_else(plain, texts, None).cast(TIME)
    except pa.ArrowInvalid:
        plain = pa.array(np.zeros(len(texts), bool))
        values = pa.nulls(len(texts), TIME)
    others = pc.and_(pc.invert(plain), pc.is_valid(texts))
    odd = [_moment(each) for each in texts.filter(others).to_pylist()]
    return pc.replace_with_mask(values, others, pa.array(odd, TIME)) if odd else values


def _moment(text: str) -> datetime | None:
    found = MOMENT.fullmatch(text.replace(NUL, "").strip(WHITE_SPACE))
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups(default="0")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset > FARTHEST_OFFSET or int(minutes) > 59:
        return None
    try:
        at = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
        local = at + timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None


def _flattened(lists: pa.ListArray) -> tuple[np.ndarray, pa.Array]:
    """All elements of lists, and for each the list it is of."""
    return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)


def _listed(owners: np.ndarray, elements: pa.Array, lists: int) -> pa.ListArray:
    """The opposite: so many lists of the elements, whose owners ascend."""
    return pa.ListArray.from_arrays(pa.array(np.searchsorted(owners, np.arange(lists + 1)), pa.int32()), elements)
