"""A table becomes a source: its faults are said all at once, users' own go before ours, and it crosses processes."""

import pickle

import pytest

from spark_jobs.sources.catalog import list_sources, read_tables
from spark_jobs.sources.errors import TableError
from spark_jobs.sources.tables import compile_source

GOOD = """
platform = "p"
[[detect]]
when = ["id"]
[[rows]]
make = "post"
[rows.fields]
post_id = "id"
"""


def test_load__takes_a_users_table_in_the_place_of_ours(tmp_path):
    (tmp_path / "reddit_dump.toml").write_text(GOOD)
    (tmp_path / "another.toml").write_text("\ufeff" + GOOD)
    found = {source.name: source for source in list_sources(read_tables(tmp_path))}
    assert found["reddit_dump"].platform == "p"
    assert found["another"].paths == ("id",)
    assert found.keys() > {"native", "flat_csv", "x_v1"}


def test_source__crosses_processes():
    source = compile_source("mine", GOOD)
    copied = pickle.loads(pickle.dumps(source))
    assert copied.map({"id": "7"}, "{}", copied.start()) == [
        {"entity": "post", "record_index": 0, "platform": "p", "post_id": "7"}
    ]


def test_table__says_all_its_faults_at_once():
    table = """
    platfrom = "p"
    [[detect]]
    kind = "xml"
    [[rows]]
    make = "post"
    [rows.fields]
    post_id = "id"
    titel = "title"
    [[rows]]
    make = "skipped"
    [[rows]]
    make = "like"
    [[rows]]
    make = "comment"
    [rows.fields]
    post_id = "id | spell"
    """
    with pytest.raises(TableError) as caught:
        compile_source("mine", table)
    faults = caught.value.faults
    assert [fault.split(";")[0].split(",")[0] for fault in faults] == [
        "unknown: platfrom",
        "rows 1: a post has no field titel",
        "rows 2: a rule that skips says its reason",
        "rows 3: make is 'like'",
        "rows 4: there is no transform spell",
        "it has no [[rows]]: nothing would become of its records",
        "detect 1: kind is 'xml'",
    ]
    assert str(caught.value).count("source mine: ") == len(faults)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("platform = ", "not valid TOML"),
        (GOOD.replace("[[detect]]\nwhen", "other"), "it has no \\[\\[detect\\]\\]"),
        (GOOD.replace('make = "post"', 'make = "post"\neach = 3'), "rows: 3 is neither a text nor a list of texts"),
        ("known = [3]" + GOOD, "known: .* is neither"),
        ("platform = 3" + GOOD.replace('platform = "p"', ""), "platform: 3 is neither"),
        ("shared = 3" + GOOD, "shared is not written as .shared."),
        ("[lookup]\nx = 3" + GOOD.replace('platform = "p"', ""), "lookup x: "),
        (GOOD.replace('when = ["id"]', 'kind = "csv"'), "detect 1: every file would look so"),
        (GOOD.replace('"id"\n', '"id | root"\n'), r"it has no \[thread\], which a field needs"),
        (GOOD.replace('"id"\n', '"id | look_up x"\n'), r"it has no \[lookup.x\], which a field needs"),
        (
            GOOD.replace("[[rows]]", "[rows]").replace("[rows.fields]", "[rows.x]"),
            "rows is not written as \\[\\[rows\\]\\]",
        ),
        (GOOD.replace('when = ["id"]', 'when = ["id ~ ("]'), "detect 1: "),
        (GOOD.replace('post_id = "id"', 'url = "id"'), "the fields of a post begin with post_id"),
        (GOOD + "[thread]\nkey = 'id'", "thread: it has key and parent"),
        (GOOD + "[[detect]]\nkind = 'csv'\ncolumns = 'a'", "it is for CSV and for other files; write a table for each"),
        (GOOD.replace('"id"\n', '"id | time +01:00 +02:00"\n'), "time takes at most day_first and an offset"),
    ],
)
def test_table__with_a_fault(table, reason):
    with pytest.raises(TableError, match=reason):
        compile_source("mine", table)


@pytest.mark.parametrize("source", list_sources({}), ids=lambda source: source.name)
def test_tables_of_ours__are_split_unless_records_refer_to_one_another(source):
    whole = {"mastodon_archive", "mastodon_statuses", "x_archive", "x_v1"}
    split = {"flat_csv", "flat_jsonl", "reddit_dump", "reddit_api", "youtube_api", "x_v2", "facebook_statuses"}
    assert not (source.name in whole and source.may_split)
    assert not (source.name in split and not source.may_split)


def test_source__of_csv_takes_the_first_cell_that_is_not_blank():
    source = compile_source(
        "mine", GOOD.replace("[[detect]]", '[[detect]]\nkind = "csv"').replace('"id"\n', '"a // b"\n')
    )
    [row] = source.map({"a": "", "b": "7"}, ",7", source.start())
    assert row["post_id"] == "7"
