"""The rules of cleaning, each in one place, under the name that `issues` and `rejected` know it by.

All are column expressions over the texts of the Extract checkpoint. A Field pairs the clean value with what is wrong
with the text it came from.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.schemas import REACTIONS, WHITE_SPACE

# Why a record is rejected.
NOT_JSON = "not_json"
NOT_AN_OBJECT = "not_an_object"
NOT_A_LIST = "not_a_list"
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
TIME = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?$"
OFFSET_WITHOUT_COLON = r"([ T].*[+-]\d{2})(\d{2})$"
OFFSET_OF_HOURS = r"([ T].*[+-]\d{2})$"
FIRST_TIME, LAST_TIME = "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"

ISSUE_TYPE = "array<struct<field: string, rule: string, value: string>>"


@dataclass(frozen=True)
class Field:
    """A clean value, and the issues of its text: pairs of a rule and the condition under which it is broken."""

    name: str
    text: Column
    value: Column
    broken: tuple[tuple[str, Column], ...] = field(default=())


def text(name: str, column: Column) -> Field:
    """Text as it is kept: without NUL characters, trimmed. An absent text is null, an empty one stays empty."""
    return Field(name, column, _trimmed(column), ((NUL_CHARACTER, column.contains(NUL)),))


def name(field_name: str, column: Column) -> Field:
    """A text for which blank means absent."""
    return _with_value(text(field_name, column), _blank_to_null(_trimmed(column)))


def lower_name(field_name: str, column: Column) -> Field:
    return _with_value(text(field_name, column), F.lower(_blank_to_null(_trimmed(column))))


def location(column: Column) -> Field:
    """Trimmed, inner white space collapsed; blank is null."""
    collapsed = F.regexp_replace(_trimmed(column), f"[{WHITE_SPACE}]+", " ")
    return _with_value(text("location", column), _blank_to_null(collapsed))


def email(column: Column) -> Field:
    """Lower case; null where it is not of the form a@b.c."""
    value = F.lower(_blank_to_null(_trimmed(column)))
    well_formed = value.rlike(EMAIL)
    return Field(
        "email",
        column,
        F.when(well_formed, value),
        ((NUL_CHARACTER, column.contains(NUL)), (INVALID_EMAIL, ~well_formed)),
    )


def age(column: Column) -> Field:
    """A whole number in 0..120, else null. 32.0 is whole: many exporters write a column with nulls that way."""
    given = _blank_to_null(_trimmed(column))
    value = _whole_number(given, OLDEST_AGE).cast("int")
    return Field("age", column, value, ((INVALID_AGE, given.isNotNull() & value.isNull()),))


def count(field_name: str, column: Column) -> Field:
    """A whole number of at least 0; a missing one is 0 without a word, any other is 0 and an issue."""
    value = _whole_number(column, LARGEST_COUNT)
    broken = column.isNotNull() & value.isNull()
    return Field(field_name, column, F.coalesce(value, F.lit(0)).cast("bigint"), ((INVALID_COUNT, broken),))


def time(field_name: str, column: Column) -> Field:
    """`yyyy-MM-dd HH:mm:ss` or ISO 8601, in UTC; without an offset it is UTC. Unreadable is null."""
    given = _blank_to_null(_trimmed(column))
    iso = F.regexp_replace(given, ",", ".")
    iso = F.regexp_replace(iso, OFFSET_WITHOUT_COLON, "$1:$2")
    iso = F.regexp_replace(iso, OFFSET_OF_HOURS, "$1:00")
    moment = F.when(given.rlike(TIME), iso.try_cast("timestamp")).cast("timestamp_ntz")
    value = F.when(moment.between(_moment(FIRST_TIME), _moment(LAST_TIME)), moment)
    return Field(field_name, column, value, ((UNREADABLE_TIME, given.isNotNull() & value.isNull()),))


def tags(column: Column) -> Field:
    """Trimmed, leading # dropped, lower case, each once, in the order of first appearance; blank ones dropped."""
    normal = F.transform(column, lambda tag: F.lower(_trim(F.ltrim(_trimmed(tag), F.lit("#" + WHITE_SPACE)))))
    value = F.array_distinct(F.filter(normal, lambda tag: tag != ""))
    has_nul = F.exists(column, lambda tag: tag.contains(NUL))
    joined = F.array_join(column, ", ")
    return Field("tags", joined, F.coalesce(value, F.array().cast("array<string>")), ((NUL_CHARACTER, has_nul),))


def reactions(column: Column) -> list[Field]:
    return [count(f"reactions.{name}", column[name]) for name in REACTIONS]


def identifier(field_name: str, column: Column) -> Field:
    """A key: text for which blank means absent."""
    return name(field_name, column)


def issues(fields: Iterable[Field], malformed: Column | None = None) -> Column:
    """What was corrected in a record: array of (field, rule, value), the value cut to 200 characters."""
    found = F.array_compact(
        F.array(
            *(
                F.when(
                    condition, F.struct(F.lit(each.name).alias("field"), F.lit(rule).alias("rule"), _shown(each.text))
                )
                for each in fields
                for rule, condition in each.broken
            )
        )
    ).cast(ISSUE_TYPE)
    if malformed is None:
        return found
    reshaped = F.transform(
        malformed,
        lambda each: F.struct(
            each["field"].alias("field"), F.concat(F.lit(MALFORMED), each["field"]).alias("rule"), _shown(each["value"])
        ),
    ).cast(ISSUE_TYPE)
    return F.concat(found, F.coalesce(reshaped, F.array().cast(ISSUE_TYPE)))


def rejections(*broken: tuple[Column, Column]) -> Column:
    """All rules that a record broke: array<string>; pairs of a condition and the rule's name."""
    return F.array_compact(F.array(*(F.when(condition, rule) for condition, rule in broken)))


def without_nul(column: Column) -> Column:
    """Raw text that PostgreSQL can hold: a NUL shows as its symbol."""
    return F.replace(column, F.lit(NUL), F.lit(NUL_SYMBOL))


def key_of(*parts: Column) -> Column:
    """32 hexadecimal digits that stand for the parts; a null differs from every text."""
    written = (F.coalesce(F.concat(F.length(part).cast("string"), F.lit(":"), part), F.lit("-")) for part in parts)
    return F.md5(F.concat(*written))


def _with_value(of: Field, value: Column) -> Field:
    return Field(of.name, of.text, value, of.broken)


def _trim(column: Column) -> Column:
    return F.btrim(column, F.lit(WHITE_SPACE))


def _trimmed(column: Column) -> Column:
    return _trim(F.replace(column, F.lit(NUL), F.lit("")))


def _blank_to_null(column: Column) -> Column:
    return F.when(column != "", column)


def _whole_number(column: Column, largest: int) -> Column:
    number = _trim(column).try_cast("decimal(38, 18)")
    return F.when((number == F.floor(number)) & number.between(0, largest), number.cast("bigint"))


def _moment(literal: str) -> Column:
    return F.lit(literal).cast("timestamp_ntz")


def _shown(column: Column) -> Column:
    return F.left(without_nul(column), F.lit(VALUE_LENGTH)).alias("value")
