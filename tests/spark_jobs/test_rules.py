"""Every rule of cleaning as a table: text, clean value, what is wrong with the text."""

from collections.abc import Callable
from datetime import datetime

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from spark_jobs import rules
from spark_jobs.rules import Field

Case = tuple[object, object, list[str]]


def check(spark: SparkSession, rule: Callable[[Column], Field], cases: list[Case], type_: str = "string") -> None:
    """Compare what the rule makes of every text: (text, value, the rules that are broken)."""
    texts = [(number, case[0]) for number, case in enumerate(cases)]
    cleaned = rules.clean(spark.createDataFrame(texts, f"number int, text {type_}"), [rule(F.col("text"))], ["number"])
    found = {number: (value, [issue["rule"] for issue in issues]) for number, value, issues in cleaned.collect()}
    assert [(case[0], *found[number]) for number, case in enumerate(cases)] == cases


def test_text__is_trimmed_and_without_nul(spark):
    cases: list[Case] = [
        (None, None, []),
        ("", "", []),
        (" \t\n", "", []),
        ("a", "a", []),
        (" \r\n\ta  b\v\f", "a  b", []),
        ("\u00a0\u2003a\u3000\u2028", "a", []),
        ("\x1c\x1d\x1e\x1fa\x85", "a", []),
        ("\u200ba", "\u200ba", []),
        ("a\nb", "a\nb", []),
        ("a\0b", "ab", ["nul_character"]),
        ("\0", "", ["nul_character"]),
        (" \0 a \0 ", "a", ["nul_character"]),
        ("\u2400", "\u2400", []),
        ("Ünïcødé 🐎", "Ünïcødé 🐎", []),
    ]
    check(spark, lambda column: rules.text("post_text", column), cases)


def test_name__is_null_where_blank(spark):
    cases: list[Case] = [
        (None, None, []),
        ("", None, []),
        (" \u3000 ", None, []),
        ("\0", None, ["nul_character"]),
        (" Zoë  Q ", "Zoë  Q", []),
    ]
    check(spark, lambda column: rules.name("name", column), cases)
    check(spark, lambda column: rules.identifier("user_id", column), cases)


def test_lower_name__is_in_lower_case(spark):
    cases: list[Case] = [
        (None, None, []),
        (" ", None, []),
        (" Female\n", "female", []),
        ("F\0", "f", ["nul_character"]),
    ]
    check(spark, lambda column: rules.lower_name("gender", column), cases)


def test_location__collapses_white_space(spark):
    cases: list[Case] = [
        (None, None, []),
        ("", None, []),
        (" \t ", None, []),
        ("Sydney", "Sydney", []),
        ("  New \t\n York\u00a0\u3000City ", "New York City", []),
        ("New\0York", "NewYork", ["nul_character"]),
        ("[São-Paulo]\\^", "[São-Paulo]\\^", []),
    ]
    check(spark, rules.location, cases)


def test_email__is_lower_case_and_of_the_usual_form(spark):
    cases: list[Case] = [
        (None, None, []),
        ("", None, []),
        ("  ", None, []),
        (" A.b+C@Example.NET ", "a.b+c@example.net", []),
        ("é@ü.org", "é@ü.org", []),
        ("a@b.c.d", "a@b.c.d", []),
        ("a", None, ["invalid_email"]),
        ("a@b", None, ["invalid_email"]),
        ("@b.c", None, ["invalid_email"]),
        ("a@.c", None, ["invalid_email"]),
        ("a@b.", None, ["invalid_email"]),
        ("a@b@c.d", None, ["invalid_email"]),
        ("a b@c.d", None, ["invalid_email"]),
        ("a@b.c\nd@e.f", None, ["invalid_email"]),
        ("17", None, ["invalid_email"]),
        ("a\0@b.c", "a@b.c", ["nul_character"]),
    ]
    check(spark, rules.email, cases)


def test_age__is_a_whole_number_from_0_to_120(spark):
    cases: list[Case] = [
        (None, None, []),
        ("", None, []),
        (" ", None, []),
        ("0", 0, []),
        ("120", 120, []),
        (" 32 ", 32, []),
        ("32.0", 32, []),
        ("032", 32, []),
        ("121", None, ["invalid_age"]),
        ("-1", None, ["invalid_age"]),
        ("32.5", None, ["invalid_age"]),
        ("120.000001", None, ["invalid_age"]),
        ("abc", None, ["invalid_age"]),
        ("NaN", None, ["invalid_age"]),
        ("Infinity", None, ["invalid_age"]),
        ("true", None, ["invalid_age"]),
        ("[32]", None, ["invalid_age"]),
        ("3 2", None, ["invalid_age"]),
        ("1e400", None, ["invalid_age"]),
        ("4294967328", None, ["invalid_age"]),  # 32 in four bytes
        ("99999999999999999999999999999999999999999999", None, ["invalid_age"]),
    ]
    check(spark, rules.age, cases)


def test_count__is_a_whole_number_or_0(spark):
    cases: list[Case] = [
        (None, 0, []),
        ("0", 0, []),
        ("-0", 0, []),
        ("7", 7, []),
        (" 7 ", 7, []),
        ("7.0", 7, []),
        ("3000000000", 3_000_000_000, []),
        ("1000000000000", 1_000_000_000_000, []),
        ("1000000000001", 0, ["invalid_count"]),
        ("18446744073709551623", 0, ["invalid_count"]),  # 7 in eight bytes
        ("-1", 0, ["invalid_count"]),
        ("1.5", 0, ["invalid_count"]),
        ("0.000001", 0, ["invalid_count"]),
        ("", 0, ["invalid_count"]),
        ("many", 0, ["invalid_count"]),
        ("NaN", 0, ["invalid_count"]),
        ("false", 0, ["invalid_count"]),
        ("{}", 0, ["invalid_count"]),
        ("1e400", 0, ["invalid_count"]),
        ("7\0", 7, ["nul_character"]),
    ]
    check(spark, lambda column: rules.count("shares", column), cases)


def test_count_and_age__do_not_stumble_over_outlandish_exponents(spark):
    numbers = ["1e-400", "1e-9999999", "1e9999999", "1e-2147483647", "1e99999999999", "-1e-99999999999"]
    frame = spark.createDataFrame([(number,) for number in numbers], "text string")
    for rule in (lambda column: rules.count("value", column), rules.age):
        cleaned = rules.clean(frame, [rule(F.col("text"))], []).drop("issues")
        assert {value for (value,) in cleaned.collect()} <= {0, None}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_time__is_read_with_and_without_offset_as_utc(spark):
    cases: list[Case] = [
        (None, None, []),
        ("", None, []),
        (" ", None, []),
        ("2022-10-08 01:41:04", at("2022-10-08 01:41:04"), []),
        (" 2022-10-08 01:41:04\n", at("2022-10-08 01:41:04"), []),
        ("2022-10-08T01:41:04", at("2022-10-08 01:41:04"), []),
        ("2022-10-08T01:41:04Z", at("2022-10-08 01:41:04"), []),
        ("2022-10-08 01:41:04 Z", at("2022-10-08 01:41:04"), []),
        ("2022-10-08T01:41:04+02:00", at("2022-10-07 23:41:04"), []),
        ("2022-10-08T01:41:04+0200", at("2022-10-07 23:41:04"), []),
        ("2022-10-08T01:41:04+02", at("2022-10-07 23:41:04"), []),
        ("2022-10-08 01:41:04 +02:00", at("2022-10-07 23:41:04"), []),
        ("2022-10-08T01:41:04-05:30", at("2022-10-08 07:11:04"), []),
        ("2022-10-08T01:41:04-0530", at("2022-10-08 07:11:04"), []),
        ("2022-10-08T01:41:04.5Z", at("2022-10-08 01:41:04.500000"), []),
        ("2022-10-08T01:41:04,25", at("2022-10-08 01:41:04.250000"), []),
        ("2022-10-08T01:41:04.123456789+00:00", at("2022-10-08 01:41:04.123456"), []),
        ("2022-10-08T01:41", at("2022-10-08 01:41:00"), []),
        ("2022-10-08T01:41+02", at("2022-10-07 23:41:00"), []),
        ("2022-10-08", at("2022-10-08 00:00:00"), []),
        ("2024-02-29 00:00:00", at("2024-02-29 00:00:00"), []),
        ("2022-03-27 02:30:00", at("2022-03-27 02:30:00"), []),  # the hour that summer time leaves out elsewhere
        ("1582-10-10 00:00:00", at("1582-10-10 00:00:00"), []),
        ("1900-01-01 00:00:00", at("1900-01-01 00:00:00"), []),
        ("0001-01-01 00:00:00", at("0001-01-01 00:00:00"), []),
        ("9999-12-31 23:59:59", at("9999-12-31 23:59:59"), []),
        ("9999-12-31 23:59:59-01:00", None, ["unreadable_time"]),
        ("0001-01-01 00:00:00+01:00", None, ["unreadable_time"]),
        ("0000-01-01 00:00:00", None, ["unreadable_time"]),
        ("2023-02-29 00:00:00", None, ["unreadable_time"]),
        ("2022-13-01 00:00:00", None, ["unreadable_time"]),
        ("2022-10-08 24:00:00", None, ["unreadable_time"]),
        ("2022-10-08 01:60:00", None, ["unreadable_time"]),
        ("2022-10-08 01:41:60", None, ["unreadable_time"]),
        ("2022-10-08T01:41:04+19:00", None, ["unreadable_time"]),
        ("2022-10-08T01:41:04 Europe/Prague", None, ["unreadable_time"]),
        ("08.10.2022 01:41", None, ["unreadable_time"]),
        ("10/08/2022", None, ["unreadable_time"]),
        ("2022-10", None, ["unreadable_time"]),
        ("2022", None, ["unreadable_time"]),
        ("1665193264", None, ["unreadable_time"]),
        ("now", None, ["unreadable_time"]),
        ("epoch", None, ["unreadable_time"]),
        ("12022-10-08 01:41:04", None, ["unreadable_time"]),
    ]
    check(spark, lambda column: rules.time("timestamp", column), cases)


def test_tags__are_normal_and_each_there_once_in_order(spark):
    cases: list[Case] = [
        (None, [], []),
        ([], [], []),
        (["art", "tech"], ["art", "tech"], []),
        (["Tech", " #art ", "TECH", "##Art", "tech"], ["tech", "art"], []),
        (["# a b", "#", "", " ", None, "#\u00a0#", "c#"], ["a b", "c#"], []),
        (["Ünï", "17", "a,b", '"'], ["ünï", "17", "a,b", '"'], []),
        (["a\0b", "\0", None], ["ab"], ["nul_character"]),
    ]
    check(spark, rules.tags, cases, "array<string>")


def test_age_and_time__with_nul_characters_are_not_corrected_without_a_word(spark):
    records = [("3\x002", "2022-10-08\0 01:41:04"), ("\x0032", "2022-10-08 01:41:04\0")]
    frame = spark.createDataFrame(records, "age string, time string")
    fields = [rules.age(F.col("age")), rules.time("timestamp", F.col("time"))]
    found = rules.clean(frame, fields, []).select("issues.field").collect()
    assert found == [(["age", "timestamp"],)] * 2


def test_clean__gives_values_and_issues_with_the_beginning_of_the_text(spark):
    long = "é" * 201
    records = [
        (1, "\0A", "abc", [("tags", "x")]),
        (2, None, None, None),
        (3, f"\0{long}", "-1", [("tags", None), ("reactions", "7")]),
        (4, "A@b.c", " 7", []),
    ]
    shapes = "array<struct<field: string, value: string>>"
    frame = spark.createDataFrame(records, f"id int, mail string, years string, shapes {shapes}")
    fields = [rules.email(F.col("mail")), rules.age(F.col("years"))]
    start = "\u2400" + "é" * 199
    mail_rules = ("nul_character", "invalid_email")
    first = [*(("email", rule, "\u2400A") for rule in mail_rules), ("age", "invalid_age", "abc")]
    third = [*(("email", rule, start) for rule in mail_rules), ("age", "invalid_age", "-1")]
    assert rules.clean(frame, fields, ["id"]).collect() == [
        (1, None, None, first),
        (2, None, None, []),
        (3, None, None, third),
        (4, "a@b.c", 7, []),
    ]
    assert rules.clean(frame, fields, ["id"], malformed="shapes").collect() == [
        (1, None, None, [*first, ("tags", "invalid_tags", "x")]),
        (2, None, None, []),
        (3, None, None, [*third, ("tags", "invalid_tags", None), ("reactions", "invalid_reactions", "7")]),
        (4, "a@b.c", 7, []),
    ]


def test_key_of__differs_where_any_part_does(spark):
    parts = [("a", "b"), ("ab", ""), ("", "ab"), ("ab", None), (None, "ab"), (None, None), ("1:a", "b"), ("-", "-")]
    frame = spark.createDataFrame(parts, "a string, b string").select(rules.key_of(F.col("a"), F.col("b")))
    keys = [key for (key,) in frame.collect()]
    assert len(set(keys)) == len(parts)
    assert {len(key) for key in keys} == {32}


def test_key_of__stays_what_it_was(spark):
    """Keys in the warehouse were made with it: another recipe would count every comment twice."""
    frame = spark.range(1).select(rules.key_of(F.lit("p1"), F.lit(None).cast("string"), F.lit("é")))
    assert frame.collect() == [("3e11dfeb1f83762aac725dcb617ac984",)]
