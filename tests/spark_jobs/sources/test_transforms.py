"""What the transforms of a table make of times and texts; what they cannot read stays as it is."""

import pytest

from spark_jobs.sources import texts, times
from spark_jobs.sources.transforms import TRANSFORMS


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2023-03-01T09:00:00Z", "2023-03-01 09:00:00"),
        ("2023-03-01T09:00:00.120Z", "2023-03-01 09:00:00.12"),
        ("2023-03-01T09:00:00.000Z", "2023-03-01 09:00:00"),
        ("2024-06-10T10:00:00.1234567+02:00", "2024-06-10 08:00:00.123456"),
        ("2021-03-01T08:00:00+0000", "2021-03-01 08:00:00"),
        ("2021-03-01 03:00:00 EST", "2021-03-01 08:00:00"),
        ("2021-07-01 03:00:00 EDT", "2021-07-01 07:00:00"),
        ("Sat Aug 12 16:10:37 +0000 2023", "2023-08-12 16:10:37"),
        ("Sat Aug 12 23:10:37 -0200 2023", "2023-08-13 01:10:37"),
        ("4/22/2018 6:00", "2018-04-22 06:00:00"),
        ("2010-01-01", "2010-01-01 00:00:00"),
        ("2021-03-01 03:00:00 XYZ", "2021-03-01 03:00:00 XYZ"),
        ("0001-01-01 00:00:00+01:00", "0001-01-01 00:00:00+01:00"),
        ("2023-02-30 10:00:00+01:00", "2023-02-30 10:00:00+01:00"),
        ("soon", "soon"),
        ("", ""),
    ],
)
def test_time__is_written_in_utc(text, written):
    assert times.write_time(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2016-07-01 08:00:00", "2016-07-01 13:00:00"),
        ("4/22/2018 6:00", "2018-04-22 11:00:00"),
        ("2016-07-01T08:00:00Z", "2016-07-01 08:00:00"),
        ("2016-07-01", "2016-07-01 00:00:00"),
    ],
)
def test_time__takes_the_offset_of_those_that_do_not_say_theirs(text, written):
    assert TRANSFORMS["time"](["-05:00"])(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("31/12/2023 14:05", "2023-12-31 13:05:00"),
        ("1.2.2023, 14:05:30", "2023-02-01 13:05:30"),
        ("01-02-2023", "2023-02-01 00:00:00"),
        ("2023-02-01T14:05:00Z", "2023-02-01 14:05:00"),
        ("1/2.2023", "1/2.2023"),
    ],
)
def test_time__takes_the_day_first_where_the_table_says_so(text, written):
    assert TRANSFORMS["time"](["day_first", "+01:00"])(text) == written
    assert TRANSFORMS["any_time"](["+01:00", "day_first"])(text) == written


@pytest.mark.parametrize(
    ("text", "unit", "written"),
    [
        ("1698797100", "s", "2023-11-01 00:05:00"),
        ("1410935671.0", "s", "2014-09-17 06:34:31"),
        ("1410935671.25", "s", "2014-09-17 06:34:31.25"),
        ("1698797100123", "ms", "2023-11-01 00:05:00.123"),
        ("1725911162329308", "us", "2024-09-09 19:46:02.329308"),
        ("-1", "s", "1969-12-31 23:59:59"),
        ("99999999999999", "s", "99999999999999"),
        ("soon", "s", "soon"),
    ],
)
def test_epoch__is_written_in_utc(text, unit, written):
    assert TRANSFORMS["epoch"]([unit])(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1704276000", "2024-01-03 10:00:00"),
        ("1704276000000", "2024-01-03 10:00:00"),
        ("2024-01-02T10:00:00Z", "2024-01-02 10:00:00"),
        ("20240101", "20240101"),
        ("2024", "2024"),
    ],
)
def test_any_time__is_either(text, written):
    assert times.write_any_time(text) == written


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a &amp; b</p><p>c</p>", "a & b\n\nc"),
        ("one<br>two<br />three", "one\ntwo\nthree"),
        ('<p><span class="h">@<span>bo</span></span> I agree</p>', "@bo I agree"),
        ("a &lt; b", "a < b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<a<b>c", "<ac"),
        ("<a" * 200_000, "<a" * 200_000),
        ("", ""),
    ],
    ids=range(8),
)
def test_html__is_its_text(html, text):
    assert texts.strip_html(html) == text


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Rain #Weather, #sun!", ["Weather", "sun"]),
        ("(#a) #b_c #été #1st", ["a", "b_c", "été", "1st"]),
        ("issue #12, a#b, https://x.example/#c", []),
        ("no tag", []),
    ],
)
def test_hashtags__are_found_in_a_text(text, tags):
    assert texts.find_hashtags(text) == tags


@pytest.mark.parametrize(
    ("cell", "elements"),
    [
        ("a, b", ["a", "b"]),
        ('["x", "y"]', ["x", "y"]),
        ("[not json", ["[not json"]),
        ("", []),
        ("[1, 2.50]", ["1", "2.50"]),
    ],
)
def test_list__in_a_cell(cell, elements):
    assert texts.split_list(cell) == elements


@pytest.mark.parametrize(
    ("name", "arguments", "value", "changed"),
    [
        ("number", [], "1,240", "1240"),
        ("number", [], "1,24", "1,24"),
        ("zero_if_negative", [], "-3", "0"),
        ("unescape", [], "&lt;3 &amp;amp; &nbsp;", "<3 &amp; &nbsp;"),
        ("mojibake", [], "SmÃ¸rrebrÃ¸d", "Smørrebrød"),
        ("mojibake", [], "blåbær 🫐", "blåbær 🫐"),
        ("last", ["/"], "https://x.example/posts/9001/", "9001"),
        ("drop_prefix", ["#"], ["#a", "b"], ["a", "b"]),
        ("parts", [], ["a ", {"type": "bold", "text": "b"}, {"x": 1}], "a b"),
        ("json_parts", [], '{"text":"a "},{"text":"b\\nc"}', "a b\nc"),
        ("json_parts", [], "plain", "plain"),
        ("lower", [], {"not": "a text"}, {"not": "a text"}),
        ("null_if", ["x"], "x", None),
    ],
)
def test_transform__changes(name, arguments, value, changed):
    assert TRANSFORMS[name](arguments)(value) == changed


def test_left_over_reactions__are_the_total_less_the_six():
    assert texts.count_left_over("1010", {"like": "908", "love": "61", "other": "5"}) == "41"
    assert texts.count_left_over("1", {"like": "2"}) == "0"
    assert texts.count_left_over(None, {"like": "2"}) is None
    assert texts.count_left_over("many", {}) is None


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("time", ["CET"], "no offset such as"),
        ("epoch", ["days"], "one of s, ms, us"),
        ("lower", ["x"], "takes no argument"),
        ("before", [], "takes one argument"),
        ("map", ["x"], "pairs such as"),
        ("null_if", [], "texts that mean nothing"),
    ],
)
def test_transform__with_other_arguments_than_it_takes(name, arguments, reason):
    with pytest.raises(ValueError, match=reason):
        TRANSFORMS[name](arguments)
