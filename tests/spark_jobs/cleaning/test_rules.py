"""Every rule of cleaning as a table: text, clean value, what is wrong with the text."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pyarrow as pa
import pytest

from spark_jobs.cleaning import rules
from spark_jobs.cleaning.rules import Field
from spark_jobs.schemas import TEXT

Case = tuple[object, object, list[str]]


def check(rule: Callable[[pa.Array], Field], cases: list[Case], type_: pa.DataType = TEXT) -> None:
    """Compare what the rule makes of every text: (text, value, the rules that are broken), together and alone."""
    for some in (cases, *([case] for case in cases)):
        texts = [case[0] for case in some]
        field = rule(pa.array(texts, type_))
        found = rules.list_issues([field]).to_pylist()
        broken = [[issue["rule"] for issue in found if issue["record"] == number] for number in range(len(some))]
        assert list(zip(texts, field.values.to_pylist(), broken, strict=True)) == some


def test_clean_text__is_trimmed_and_without_nul():
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
    check(partial(rules.clean_text, "post_text"), cases)


def test_clean_name__is_null_where_blank():
    cases: list[Case] = [
        (None, None, []),
        ("", None, []),
        (" \u3000 ", None, []),
        ("\0", None, ["nul_character"]),
        (" Zoë  Q ", "Zoë  Q", []),
    ]
    check(partial(rules.clean_name, "name"), cases)
    check(partial(rules.clean_key, "user_id"), cases)


def test_clean_key__is_what_its_text_says_but_for_minus_0():
    cases: list[Case] = [
        ("7", "7", []),
        (" 7 ", "7", []),
        ("007", "007", []),
        ("7.0", "7.0", []),
        ("1e3", "1e3", []),
        ("-0", "0", []),
        ("-00", "-00", []),
        ("é", "é", []),
        ("e\u0301", "e\u0301", []),
    ]
    check(partial(rules.clean_key, "user_id"), cases)


def test_clean_lower_case_name__is_in_lower_case():
    cases: list[Case] = [
        (None, None, []),
        (" ", None, []),
        (" Female\n", "female", []),
        ("F\0", "f", ["nul_character"]),
        ("ΓΥΝΑΊΚΑΣ", "γυναίκας", []),
    ]
    check(partial(rules.clean_lower_case_name, "gender"), cases)


def test_clean_location__collapses_white_space():
    cases: list[Case] = [
        (None, None, []),
        ("", None, []),
        (" \t ", None, []),
        ("Sydney", "Sydney", []),
        ("  New \t\n York\u00a0\u3000City ", "New York City", []),
        ("New\0York", "NewYork", ["nul_character"]),
        ("[São-Paulo]\\^", "[São-Paulo]\\^", []),
        ("Sa\u0303o Paulo", "S\u00e3o Paulo", []),
        ("\u212bngstr\u00f6m", "\u00c5ngstr\u00f6m", []),
        ("a\u200bb", "a\u200bb", []),
    ]
    check(rules.clean_location, cases)


def test_clean_email__is_lower_case_and_of_the_usual_form():
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
    check(rules.clean_email, cases)


def test_clean_age__is_a_whole_number_from_0_to_120():
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
    check(rules.clean_age, cases)


def test_clean_count__is_a_whole_number_or_0():
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
    check(partial(rules.clean_count, "shares"), cases)


@pytest.mark.parametrize("exponent", ["e-400", "e-50", "e-9999999", "e9999999", "e-2147483647", "e99999999999"])
@pytest.mark.parametrize("digit", ["1", "-1"])
def test_clean_count_and_age__do_not_stumble_over_outlandish_exponents(digit, exponent):
    check(partial(rules.clean_count, "shares"), [(digit + exponent, 0, ["invalid_count"])])
    check(rules.clean_age, [(digit + exponent, None, ["invalid_age"])])


@pytest.mark.parametrize("text", ["1_000", "\u0663", "\uff13", "0x10", "+", ".", "e5", "1e", "--1"])
def test_clean_count__is_a_number_as_json_or_csv_writes_it(text):
    check(partial(rules.clean_count, "shares"), [(text, 0, ["invalid_count"])])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_clean_time__is_read_with_and_without_offset_as_utc():
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
    check(partial(rules.clean_time, "timestamp"), cases)


def test_clean_tags__are_normal_and_each_there_once_in_order():
    cases: list[Case] = [
        (None, [], []),
        ([], [], []),
        (["art", "tech"], ["art", "tech"], []),
        (["Tech", " #art ", "TECH", "##Art", "tech"], ["tech", "art"], []),
        (["# a b", "#", "", " ", None, "#\u00a0#", "c#"], ["a b", "c#"], []),
        (["Ünï", "17", "a,b", '"'], ["ünï", "17", "a,b", '"'], []),
        (["a\0b", "\0", None], ["ab"], ["nul_character"]),
        (["ΟΔΟΣ", "οδος", "οδοσ", "Οδός", "ΟΔΟ\u0301Σ"], ["οδος", "οδός"], []),
        (["Σ", "ς", "ΣΑΣ ΣΑΣ"], ["σ", "σας σας"], []),
        (["\u0130zmir", "I\u0307zmir", "izmir"], ["i\u0307zmir", "izmir"], []),
        (["e\u0301", "\u00c9", "#E\u0301", "e"], ["\u00e9", "e"], []),
        (["J\u030c", "\u01f0"], ["\u01f0"], []),
        (["Straße", "STRASSE", "STRAẞE"], ["straße", "strasse"], []),
        (["a\u200bb", "ab", "\ufeffab", "\uff21"], ["a\u200bb", "ab", "\ufeffab", "\uff41"], []),
        (["e\u0301" * 400, "e\u0301" * 401], ["\u00e9" * 400], ["too_long"]),
    ]
    check(rules.clean_tags, cases, pa.list_(pa.string()))


def test_clean_time__is_the_same_whatever_stands_beside_it():
    usual, odd, never = "2022-10-08 01:41:04", "2022-10-08T01:41:04Z", "2022-10-08 01:41:60"
    moment = at(usual)
    check(partial(rules.clean_time, "timestamp"), [(usual, moment, []), (odd, moment, []), (usual, moment, [])])
    check(partial(rules.clean_time, "timestamp"), [(usual, moment, []), (never, None, ["unreadable_time"])])


def test_clean_age_and_time__with_nul_characters_are_not_corrected_without_a_word():
    check(rules.clean_age, [("3\x002", 32, ["nul_character"]), ("\x0032", 32, ["nul_character"])])
    moment = at("2022-10-08 01:41:04")
    times: list[Case] = [
        (text, moment, ["nul_character"]) for text in ("2022-10-08\0 01:41:04", "2022-10-08 01:41:04\0")
    ]
    check(partial(rules.clean_time, "timestamp"), times)


def test_list_issues__are_in_the_order_of_records_and_fields_and_hold_the_beginning_of_the_text():
    mails = pa.array(["\0A", None, f"\0{'é' * 201}", "A@b.c"])
    years = pa.array(["abc", None, "-1", " 7"])
    rows = [(0, "tags", "invalid_tags", "x"), (2, "tags", "repeated_key", None), (2, "a\0", "invalid_a", "7")]
    columns = zip(*rows, strict=True)
    extracted = pa.table(dict(zip(("record", "field", "rule", "value"), map(pa.array, columns), strict=True)))
    start = "\u2400" + "é" * 199
    mail_rules = ("nul_character", "invalid_email")
    first = [*(("email", rule, "\u2400A") for rule in mail_rules), ("age", "invalid_age", "abc")]
    third = [*(("email", rule, start) for rule in mail_rules), ("age", "invalid_age", "-1")]
    fields = [rules.clean_email(mails), rules.clean_age(years)]
    found = [tuple(row.values()) for row in rules.list_issues(fields).to_pylist()]
    assert found == [*((0, *issue) for issue in first), *((2, *issue) for issue in third)]
    first.append(("tags", "invalid_tags", "x"))
    third += [("tags", "repeated_key", None), ("a\u2400", "invalid_a", "7")]
    found = [tuple(row.values()) for row in rules.list_issues(fields, extracted).to_pylist()]
    assert found == [*((0, *issue) for issue in first), *((2, *issue) for issue in third)]
