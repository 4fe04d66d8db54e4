"""The rules of cleaning, each in one place, under the name that `issues` and `rejected` show.

A rule takes the texts of a column of the Extract checkpoint, as an Arrow array, and gives a Field: the clean values,
and which texts broke the rule.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning.values import (
    build_lists,
    compose_texts,
    flatten_lists,
    has_lost_its_value,
    has_nul_character,
    lower_texts,
    parse_times,
    parse_whole_numbers,
    replace_nul_characters,
    to_mask,
    trim_blanks,
    trim_texts,
    trim_to_null,
)
from spark_jobs.schemas import LONGEST_KEY, REACTIONS, WHITE_SPACE

# Why a record is rejected. Extract found the other reasons, faults of its shape: NOT_JSON and those below it.
MISSING_USER_ID = "missing_user_id"
MISSING_POST_ID = "missing_post_id"
PARENT_REJECTED = "parent_rejected"

# Why a field is corrected. Extract found the other reasons: REPEATED_KEY and those that begin with INVALID_PREFIX.
INVALID_AGE = "invalid_age"
INVALID_EMAIL = "invalid_email"
UNREADABLE_TIME = "unreadable_time"
INVALID_COUNT = "invalid_count"
NUL_CHARACTER = "nul_character"
TOO_LONG = "too_long"

OLDEST_AGE = 120
"""Years."""
LARGEST_COUNT = 10**12
"""Far above any real counter, and the sum of millions of them still fits in a bigint."""
ISSUE_VALUE_LENGTH = 200
"""Characters of a text that an issue shows."""
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


@dataclass(frozen=True)
class Field:
    """Clean values, the texts they come from, and which texts broke which rule: pairs of a rule and a mask."""

    name: str
    texts: pa.Array
    values: pa.Array
    broken: tuple[tuple[str, pa.BooleanArray], ...]


def clean_text(field_name: str, texts: pa.StringArray) -> Field:
    """NUL characters are removed, the text is trimmed. A missing text is null, an empty one stays empty."""
    return _build_field(field_name, texts, trim_texts(texts))


def clean_name(field_name: str, texts: pa.StringArray) -> Field:
    """As a text, but blank means missing: it is null."""
    return _build_field(field_name, texts, trim_to_null(texts))


def clean_lower_case_name(field_name: str, texts: pa.StringArray) -> Field:
    """As a name, in lower case."""
    return _build_field(field_name, texts, lower_texts(trim_to_null(texts)))


def clean_key(field_name: str, texts: pa.StringArray) -> Field:
    """As a name, and -0 is 0; Extract has written out all other numbers. Null and an issue where it is longer than
    LONGEST_KEY."""
    keys = trim_to_null(texts)
    return _build_limited_field(field_name, texts, pc.if_else(pc.equal(keys, "-0"), "0", keys))


def clean_location(texts: pa.StringArray) -> Field:
    """Trimmed, inner white space collapsed, in NFC; blank is null. Null and an issue where it is longer than
    LONGEST_KEY."""
    collapsed = pc.replace_substring_regex(trim_to_null(texts), f"[{WHITE_SPACE}]+", " ")
    return _build_limited_field("location", texts, compose_texts(collapsed))


def clean_email(texts: pa.StringArray) -> Field:
    """In lower case; null and an issue where it does not have the form a@b.c."""
    lower = lower_texts(trim_to_null(texts))
    values = pc.if_else(pc.match_substring_regex(lower, EMAIL), lower, None)
    return _build_field("email", texts, values, (INVALID_EMAIL, has_lost_its_value(texts, values)))


def clean_age(texts: pa.StringArray) -> Field:
    """A whole number in 0..120, else null and an issue. 32.0 is whole: many exporters write a column with nulls so."""
    values = parse_whole_numbers(texts, OLDEST_AGE).cast(pa.int32())
    return _build_field("age", texts, values, (INVALID_AGE, has_lost_its_value(texts, values)))


def clean_count(field_name: str, texts: pa.StringArray) -> Field:
    """A whole number in 0..LARGEST_COUNT. A missing one is 0, any other value is 0 and an issue."""
    numbers = parse_whole_numbers(texts, LARGEST_COUNT)
    is_invalid = pc.and_(pc.is_valid(texts), pc.is_null(numbers))
    return _build_field(field_name, texts, pc.fill_null(numbers, 0), (INVALID_COUNT, is_invalid))


def clean_known_count(
    field_name: str, texts: pa.StringArray, is_zero_where_missing: pa.BooleanArray | None = None
) -> Field:
    """As a count, but a missing one is null, not 0, except where the mask says that it is."""
    field = clean_count(field_name, texts)
    is_unknown = pc.is_null(texts)
    if is_zero_where_missing is not None:
        is_unknown = pc.and_(is_unknown, pc.invert(is_zero_where_missing))
    return replace(field, values=pc.if_else(is_unknown, None, field.values))


def clean_score(field_name: str, texts: pa.StringArray) -> Field:
    """A whole number whose size is at most LARGEST_COUNT. A missing one is null, any other value is 0 and an issue."""
    numbers = parse_whole_numbers(texts, LARGEST_COUNT, smallest=-LARGEST_COUNT)
    is_invalid = pc.and_(pc.is_valid(texts), pc.is_null(numbers))
    return _build_field(field_name, texts, pc.if_else(is_invalid, 0, numbers), (INVALID_COUNT, is_invalid))


def clean_reactions(structs: pa.StructArray) -> list[Field]:
    """The six counts of a post's reactions."""
    return [clean_count(f"reactions.{reaction}", pc.struct_field(structs, reaction)) for reaction in REACTIONS]


def clean_time(field_name: str, texts: pa.StringArray) -> Field:
    """`yyyy-MM-dd HH:mm:ss` or ISO 8601, in UTC; UTC if it has no offset. Null and an issue where it is unreadable."""
    values = parse_times(texts)
    return _build_field(field_name, texts, values, (UNREADABLE_TIME, has_lost_its_value(texts, values)))


def clean_tags(lists: pa.ListArray) -> Field:
    """Trimmed, without leading #, in lower case, in NFC, each once, in the order of first appearance. Blank ones are
    dropped; so are, with an issue, those longer than LONGEST_KEY."""
    owners, texts = flatten_lists(lists)
    trimmed = trim_blanks(pc.utf8_ltrim(trim_texts(texts), characters="#" + WHITE_SPACE))
    tags = compose_texts(lower_texts(trimmed))
    is_too_long = to_mask(_is_too_long(tags))
    has_too_long = pa.array(np.isin(np.arange(len(lists)), owners[is_too_long]))
    is_kept = to_mask(pc.not_equal(tags, "")) & ~is_too_long
    first_owners, first_tags = _drop_repeated(owners[is_kept], tags.filter(pa.array(is_kept)))
    values = build_lists(first_owners, first_tags, len(lists))
    is_known = to_mask(pc.is_valid(texts))
    joined = pc.binary_join(build_lists(owners[is_known], texts.filter(pa.array(is_known)), len(lists)), ", ")
    return _build_field("tags", joined, values, (TOO_LONG, has_too_long))


def _drop_repeated(owners: np.ndarray, tags: pa.StringArray) -> tuple[np.ndarray, pa.StringArray]:
    """The owners and tags of those that come for the first time in their list, in the same order."""
    encoded = tags.dictionary_encode()
    pairs = owners * max(1, len(encoded.dictionary)) + encoded.indices.to_numpy()
    _, places = np.unique(pairs, return_index=True)
    first = np.sort(places)
    return owners[first], tags.take(pa.array(first))


def _build_limited_field(name: str, texts: pa.StringArray, values: pa.StringArray) -> Field:
    is_too_long = _is_too_long(values)
    return _build_field(name, texts, pc.if_else(is_too_long, None, values), (TOO_LONG, is_too_long))


def _is_too_long(keys: pa.StringArray) -> pa.BooleanArray:
    return pc.greater(pc.utf8_length(keys), LONGEST_KEY)


def _build_field(name: str, texts: pa.Array, values: pa.Array, *broken: tuple[str, pa.BooleanArray]) -> Field:
    """A field; a NUL character breaks a rule in every one."""
    return Field(name, texts, values, ((NUL_CHARACTER, has_nul_character(texts)), *broken))


def list_issues(fields: Iterable[Field], found: pa.Table | None = None) -> pa.Table:
    """What was corrected: columns `record` (the row in the fields), field, rule, value (the beginning of the text).

    In the order of the records, of the fields and of their rules; last what Extract found, if there is such a table.
    """
    issues = [
        _list_broken(np.flatnonzero(to_mask(is_broken)), field, rule)
        for field in fields
        for rule, is_broken in field.broken
    ]
    if found is not None:
        columns = (found[name].combine_chunks() for name in ("field", "rule", "value"))
        issues.append(_build_issues(found["record"].to_numpy(), *columns))
    joined = pa.concat_tables(issues)
    order = np.argsort(joined["record"].to_numpy(), kind="stable")
    return joined.take(pa.array(order))


def _list_broken(records: np.ndarray, field: Field, rule: str) -> pa.Table:
    names, rules = pa.repeat(field.name, len(records)), pa.repeat(rule, len(records))
    return _build_issues(records, names, rules, field.texts.take(pa.array(records)))


def _build_issues(records: np.ndarray, fields: pa.Array, rules: pa.Array, texts: pa.Array) -> pa.Table:
    shown = pc.utf8_slice_codeunits(replace_nul_characters(texts), 0, ISSUE_VALUE_LENGTH)
    names = replace_nul_characters(fields)
    return pa.table({"record": pa.array(records, pa.int64()), "field": names, "rule": rules, "value": shown})
