"""Values that a table makes: collected lists, keys of texts, a text for what is there."""

from typing import Any

import pytest

from spark_jobs.sources.environment import NO_MEMBERS, Context, Place
from spark_jobs.sources.expressions import compile_expression
from spark_jobs.sources.rules import remember_user
from spark_jobs.sources.tables import compile_source


def evaluate(definition: object, node: dict[str, Any]) -> Any:
    return compile_expression(definition).get(node, Place(node, NO_MEMBERS, Context(0)))


@pytest.mark.parametrize(
    ("node", "collected"),
    [
        ({"a": [{"b": "1"}, {"b": "2"}, {"c": "3"}], "d": ["4"]}, ["1", "2", "4"]),
        ({"a": [], "d": "4"}, ["4"]),
        ({"a": {"b": "1"}}, ["1"]),
        ({"a": 5, "d": []}, None),
        ({}, None),
    ],
)
def test_collect__puts_all_in_one_list(node, collected):
    assert evaluate({"collect": ["a[].b", "d"]}, node) == collected


def test_digest__is_a_key_of_a_text():
    assert evaluate("a | digest", {"a": "Smør"}) == "c93fa8b2706ec49e372557b51ec1137c"
    assert evaluate("a | digest", {"a": "\ud83d"}), "half of a pair"
    assert evaluate("a | digest", {}) is None


@pytest.mark.parametrize(
    ("value", "text"), [("x", "photo"), (True, "photo"), ({"x": 1}, "photo"), ([1], "photo"), (False, None), ("", None)]
)
def test_as__is_its_text_where_something_is_there(value, text):
    assert evaluate("a | as photo", {"a": value}) == text
    assert evaluate(["a | as photo", {"value": "post"}], {"a": value}) == (text or "post")


def test_remember_user__leaves_out_what_was_said_last():
    last: dict[str, Any] = {}
    full = {"entity": "user", "user_id": "1", "username": "ada", "name": "Ada"}
    less = {"entity": "user", "user_id": "1", "username": "ada"}
    other = {"entity": "user", "user_id": "1", "username": "bo"}
    assert [remember_user(row, last) for row in (full, full, less, less, full, other)] == [
        *(True, False, True, False, True, True),
    ]
    other["record_index"] = 1
    assert not remember_user({name: other[name] for name in other if name != "record_index"}, last), "it was numbered"


def test_user_rule__is_no_reason_to_lose_the_rest_of_a_record():
    table = """
        [[detect]]
        when = ["by"]
        [[rows]]
        make = "user"
        {alone}
        when = ["by"]
        fields = {{ user_id = "by" }}
        [[rows]]
        make = "post"
        when = ["text"]
        fields = {{ post_id = "no" }}
    """
    made = []
    for alone in ("", "alone = true"):
        source = compile_source("forum", table.format(alone=alone))
        made.append([row["entity"] for row in source.map({"by": "ann"}, '{"by":"ann"}', source.start())])
    assert made == [["user", "rejected"], ["user"]]
