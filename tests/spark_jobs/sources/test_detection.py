"""Which source a file is of, by what its beginning shows; what is said where that is none, or not one."""

import pytest

from spark_jobs.sources.catalog import list_sources
from spark_jobs.sources.detection import detect
from spark_jobs.sources.errors import UnknownSource
from spark_jobs.sources.heads import CSV, JS, JSON_ARRAY, JSON_LINES, JSON_OBJECT, Head
from spark_jobs.sources.recognition import name_columns
from spark_jobs.sources.tables import compile_source

SOURCES = list_sources({})


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["text"],
        [{}],
        [{"user_id": "ann"}],
        [{"user_id": None, "posts": []}],
        [{"user_id": "ann", "posts": [{"post_id": "1"}], "post_id": "unknown field"}],
        [{"user_id": "ann", "username": "ann", "id": "x", "text": "y", "kind": "Listing"}],
        [{"username": "ann"}],
        [{"something": "else"}],
        [{"user_id": "ann", "posts": [{"post_id": "1"}]}, {"post_id": "2", "comment_id": "3"}],
    ],
)
@pytest.mark.parametrize("kind", [JSON_ARRAY, JSON_LINES])
def test_detect__leaves_the_native_format_what_it_always_read(kind, values):
    assert detect(Head(kind, tuple(values)), "x", SOURCES).is_native


def test_detect__takes_a_source_by_any_of_its_first_records():
    comment = {"subreddit": "s", "id": "1", "link_id": "t3_2", "body": ""}
    assert detect(Head(JSON_LINES, ({}, None, comment)), "x", SOURCES).name == "reddit_dump"


def test_detect__says_what_was_seen_and_what_came_closest():
    head = Head(CSV, columns=("\ufeffStatus_ID", "status_published", "likes"))
    with pytest.raises(UnknownSource) as caught:
        detect(head, "x.csv", SOURCES)
    assert str(caught.value) == (
        "no source looks like CSV with the columns Status_ID, status_published, likes; "
        "the closest is facebook_statuses, which wants one of the columns num_reactions, num_likes"
    )


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (("user_id", "name"), "flat_csv"),
        (("post_id", "user_id"), "flat_csv"),
        (("post_id", "comment"), "flat_csv"),
        (("COMMENT_ID", "Post_Id"), "flat_csv"),
        (("comment_id", "status_id", "comment_message"), "facebook_statuses"),
        (("status_id", "status_type", "status_published", "num_reactions", "Column1"), "facebook_statuses"),
        (("status_id", "status_message", "status_published", "num_likes", "num_shares"), "facebook_statuses"),
        (("Group Name", "Facebook Id", "Created", "Likes", "Shares", "Total Interactions"), "facebook_crowdtangle"),
    ],
)
def test_detect__takes_csv_by_its_columns(columns, name):
    assert detect(Head(CSV, columns=columns), "x", SOURCES).name == name


@pytest.mark.parametrize("columns", [("user_id", "comment_id"), ("comment",), ("id", "text"), ()])
def test_detect__takes_no_csv_that_lacks_a_column_or_has_one_too_many(columns):
    with pytest.raises(UnknownSource):
        detect(Head(CSV, columns=columns), "x", SOURCES)


def test_detect__says_what_a_script_assigns_to():
    with pytest.raises(UnknownSource, match="no source looks like JavaScript that assigns to window"):
        detect(Head(JS, ({},), variable="window.x"), "x.js", SOURCES)


def test_detect__says_which_two_sources_take_a_file_unless_its_name_tells():
    table = "{names}\n[[detect]]\nwhen = ['kind = a']\n[[rows]]\nmake = 'post'\n[rows.fields]\npost_id = 'id'"
    first = compile_source("first", table.format(names="names = ['first*.json']"))
    second = compile_source("second", table.format(names=""))
    head = Head(JSON_OBJECT, ({"kind": "a", "id": "1"},))
    with pytest.raises(UnknownSource, match=r"a JSON object .* kind, id looks like first and second; say"):
        detect(head, "x.json", [first, second])
    assert detect(head, "folder/FIRST_1.json", [first, second]) is first


def test_columns__are_named_in_one_way():
    assert name_columns(["\ufeffPage Name", " Likes ", "likes", "LIKES", ""]) == [
        "page name",
        "likes",
        "likes #2",
        "likes #3",
        "",
    ]
