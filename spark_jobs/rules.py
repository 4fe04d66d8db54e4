"""The rules of cleaning, each in one place, under the name that `issues` and `rejected` know it by.

All are column expressions over the texts of the Extract checkpoint. A Field pairs the clean value with what is wrong
with the text it came from.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.schemas import REACTIONS, WHITE_SPACE

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
MALFORMED = "invalid_"  # before `tags` or `reactions`: a value of another shape

OLDEST_AGE = 120
LARGEST_COUNT = 10**12
"""Millions of the largest count still add up within a bigint; no honest counter comes near."""

NUL, NUL_SYMBOL = "\0", "\u2400"
VALUE_LENGTH = 200
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
PLAIN_NUMBER = r"^[0-9]{1,13}$"
PLAIN_TIME = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"
TIME = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?$"
OFFSET_AFTER_MINUTES = r"^(.{10}[ T]\d{2}:\d{2})( ?[Z+-])"
OFFSET_WITHOUT_COLON = r"([ T].*[+-]\d{2})(\d{2})$"
OFFSET_OF_HOURS = r"([ T].*[+-]\d{2})$"
FIRST_TIME, LAST_TIME = "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"

ISSUE_TYPE = "array<struct<field: string, rule: string, value: string>>"


Condition = Callable[[Column, Column], Column]
"""From a field's text and its clean value: whether a rule is broken."""


@dataclass(frozen=True)
class Field:
    """A clean value, the text it comes from, and the rules that the text can break."""

    name: str
    text: Column
    value: Column
    rules: tuple[tuple[str, Condition], ...] = field(default=())


def _has_nul(text: Column, value: Column) -> Column:
    return text.contains(NUL)


def _is_lost(text: Column, value: Column) -> Column:
    """There was a text other than blanks, and no value came of it."""
    return value.isNull() & (_trimmed(text) != "")


def text(name: str, column: Column) -> Field:
    """Text as it is kept: without NUL characters, trimmed. An absent text is null, an empty one stays empty."""
    return Field(name, column, _trimmed(column), ((NUL_CHARACTER, _has_nul),))


def name(field_name: str, column: Column) -> Field:
    """A text for which blank means absent."""
    return Field(field_name, column, _given(column), ((NUL_CHARACTER, _has_nul),))


def lower_name(field_name: str, column: Column) -> Field:
    """The same, in lower case."""
    return Field(field_name, column, F.lower(_given(column)), ((NUL_CHARACTER, _has_nul),))


def identifier(field_name: str, column: Column) -> Field:
    """A key: text for which blank means absent."""
    return name(field_name, column)


def location(column: Column) -> Field:
    """Trimmed, inner white space collapsed; blank is null."""
    collapsed = F.regexp_replace(_given(column), f"[{WHITE_SPACE}]+", " ")
    return Field("location", column, collapsed, ((NUL_CHARACTER, _has_nul),))


def email(column: Column) -> Field:
    """Lower case; null where it is not of the form a@b.c."""
    given = F.lower(_given(column))
    value = F.when(given.rlike(EMAIL), given)
    return Field("email", column, value, ((NUL_CHARACTER, _has_nul), (INVALID_EMAIL, _is_lost)))


def age(column: Column) -> Field:
    """A whole number in 0..120, else null. 32.0 is whole: many exporters write a column with nulls that way."""
    value = _whole_number(column, OLDEST_AGE).cast("int")
    return Field("age", column, value, ((NUL_CHARACTER, _has_nul), (INVALID_AGE, _is_lost)))


def count(field_name: str, column: Column) -> Field:
    """A whole number of at least 0; a missing one is 0 without a word, any other is 0 and an issue."""

    def is_broken(text: Column, value: Column) -> Column:
        return (value == 0) & (text != "0") & _whole_number(text, LARGEST_COUNT).isNull()

    value = F.coalesce(_whole_number(column, LARGEST_COUNT), F.lit(0).cast("bigint"))
    return Field(field_name, column, value, ((NUL_CHARACTER, _has_nul), (INVALID_COUNT, is_broken)))


def reactions(column: Column) -> list[Field]:
    return [count(f"reactions.{name}", column[name]) for name in REACTIONS]


def time(field_name: str, column: Column) -> Field:
    """`yyyy-MM-dd HH:mm:ss` or ISO 8601, in UTC; without an offset it is UTC. Unreadable is null."""
    given = _given(column)
    iso = F.regexp_replace(given, ",", ".")
    iso = F.regexp_replace(iso, OFFSET_AFTER_MINUTES, "$1:00$2")
    iso = F.regexp_replace(iso, OFFSET_WITHOUT_COLON, "$1:$2")
    iso = F.regexp_replace(iso, OFFSET_OF_HOURS, "$1:00")
    moment = (
        F.when(column.rlike(PLAIN_TIME), column.try_cast("timestamp"))
        .when(given.rlike(TIME), iso.try_cast("timestamp"))
        .cast("timestamp_ntz")
    )
    value = F.when(moment.between(_moment(FIRST_TIME), _moment(LAST_TIME)), moment)
    return Field(field_name, column, value, ((NUL_CHARACTER, _has_nul), (UNREADABLE_TIME, _is_lost)))


def tags(column: Column) -> Field:
    """Trimmed, leading # dropped, lower case, each once, in the order of first appearance; blank ones dropped."""
    normal = F.transform(column, lambda tag: F.lower(_trim(F.ltrim(_trimmed(tag), F.lit("#" + WHITE_SPACE)))))
    value = F.array_distinct(F.filter(normal, lambda tag: tag != ""))
    kept = F.coalesce(value, F.array().cast("array<string>"))
    return Field("tags", F.array_join(column, ", "), kept, ((NUL_CHARACTER, _has_nul),))


def clean(records: DataFrame, fields: Iterable[Field], keep: Iterable[str], malformed: str | None = None) -> DataFrame:
    """The records' columns `keep`, every field's clean value under its name, and `issues`: what was corrected, an
    array of (field, rule, value), the value cut to 200 characters.

    Two steps, so that no value is worked out twice. `malformed` names a column of (field, value) pairs of another
    shape than a field can have.
    """
    keep, fields = list(keep), list(fields)
    others = [malformed] if malformed else []
    valued = records.select(
        *keep,
        *others,
        *(field.value.alias(field.name) for field in fields),
        *(field.text.alias(_text_name(field)) for field in fields),
    )
    found = F.array_compact(F.array(*(_issue(field, *rule) for field in fields for rule in field.rules)))
    found = found.cast(ISSUE_TYPE)
    if malformed:
        found = F.concat(found, F.coalesce(_reshaped(F.col(malformed)), F.array().cast(ISSUE_TYPE)))
    return valued.select(*keep, *(F.col(f"`{field.name}`") for field in fields), found.alias("issues"))


def _issue(field: Field, rule: str, is_broken: Condition) -> Column:
    text, value = F.col(f"`{_text_name(field)}`"), F.col(f"`{field.name}`")
    return F.when(
        is_broken(text, value), F.struct(F.lit(field.name).alias("field"), F.lit(rule).alias("rule"), _shown(text))
    )


def _text_name(field: Field) -> str:
    return f"text of {field.name}"


def _reshaped(malformed: Column) -> Column:
    return F.transform(
        malformed,
        lambda each: F.struct(
            each["field"].alias("field"), F.concat(F.lit(MALFORMED), each["field"]).alias("rule"), _shown(each["value"])
        ),
    ).cast(ISSUE_TYPE)


def rejections(*broken: tuple[Column, str]) -> Column:
    """All rules that a record broke: array<string>; pairs of a condition and the rule's name."""
    return F.array_compact(F.array(*(F.when(condition, rule) for condition, rule in broken)))


def without_nul(column: Column) -> Column:
    """Raw text that PostgreSQL can hold: a NUL shows as its symbol."""
    return F.replace(column, F.lit(NUL), F.lit(NUL_SYMBOL))


def key_of(*parts: Column) -> Column:
    """32 hexadecimal digits that stand for the parts; a null differs from every text."""
    written = (F.coalesce(F.concat(F.length(part).cast("string"), F.lit(":"), part), F.lit("-")) for part in parts)
    return F.md5(F.concat(*written))


def _trim(column: Column) -> Column:
    return F.btrim(column, F.lit(WHITE_SPACE))


def _trimmed(column: Column) -> Column:
    return _trim(F.replace(column, F.lit(NUL), F.lit("")))


def _given(column: Column) -> Column:
    """The trimmed text; null where nothing is left of it."""
    return F.nullif(_trimmed(column), F.lit(""))


def _whole_number(column: Column, largest: int) -> Column:
    digits = F.when(column.rlike(PLAIN_NUMBER), column.cast("bigint"))
    number = _trimmed(column).try_cast("decimal(38, 18)")
    other = F.when((number == F.floor(number)) & number.between(0, largest), number.cast("bigint"))
    return F.when(digits <= largest, digits).otherwise(other)


def _moment(literal: str) -> Column:
    return F.lit(literal).cast("timestamp_ntz")


def _shown(column: Column) -> Column:
    return F.left(without_nul(column), F.lit(VALUE_LENGTH)).alias("value")
