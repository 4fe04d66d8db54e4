"""Ids and keys that stand twice, against a model of the rules that shares no code with them."""

import sys
from collections import Counter
from decimal import Decimal

import exports
from hypothesis import given
from jobs import Json, Number, Pairs, assert_accounted_for, listed, loaded, run_file

LONGEST = 400
"""Characters of an id."""
SHORT = 100
"""Characters of a name that is not cut."""
BLANK = "\0" + "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))
LIST_OF = {"user": "posts", "post": "comments"}
"""The key of an entity whose values all count."""

Issue = tuple[str, str | None, str, bool]
"""Entity, id of the record, field, and whether values are shown that do not count."""


def read_id(value: Json) -> str | None:
    """The id that a value is, if it is one."""
    if isinstance(value, Number):
        return _write_number(value)
    if not isinstance(value, str) or len(value.strip(BLANK)) > LONGEST:
        return None
    legal = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    cleaned = legal.replace("\0", "").strip()
    return "0" if cleaned == "-0" else cleaned or None


def _write_number(number: str) -> str | None:
    if len(number) > 6_000:
        return None
    value = Decimal(number)
    if value == 0:
        return "0"
    if abs(value.adjusted()) > LONGEST:
        return None
    written = f"{value:f}"
    written = written.rstrip("0").rstrip(".") if "." in written else written
    return written if len(written) <= LONGEST else None


def last(value: Json, name: str) -> Json:
    """The value of a key that counts."""
    return dict(value).get(name)


def find_repeated(entity: str, record_id: str | None, value: Json, prefix: str = "") -> list[Issue]:
    counts = Counter(name for name, _ in value)
    return [
        (entity, record_id, prefix + _legal(name), prefix + name != LIST_OF.get(entity))
        for name, count in counts.items()
        if count > 1 and len(name) <= SHORT
    ]


def _legal(name: str) -> str:
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\u2400")


def expect_issues(document: Json) -> list[Issue]:
    """The issues of all records in a document that are not rejected."""
    user_id = read_id(last(document, "user_id")) if isinstance(document, Pairs) else None
    if user_id is None:
        return []
    issues = find_repeated("user", user_id, document)
    for post in listed(document, "posts"):
        post_id = read_id(last(post, "post_id")) if isinstance(post, Pairs) else None
        if post_id is None:
            continue
        issues += find_repeated("post", post_id, post)
        if isinstance(reactions := last(post, "reactions"), Pairs):
            issues += find_repeated("post", post_id, reactions, "reactions.")
        for comment in listed(post, "comments"):
            if isinstance(comment, Pairs):
                issues += find_repeated("comment", post_id, comment)
    return issues


@given(exports.arrays)
def test_array__has_the_ids_that_its_values_are_and_an_issue_for_each_key_that_stands_twice(content):
    documents = loaded(content.decode("utf-8-sig"))
    ended = run_file(content)
    assert_accounted_for(ended)
    ids = {read_id(last(each, "user_id")) for each in documents if isinstance(each, Pairs)}
    assert {row["user_id"] for row in ended.tables["users"]} == ids - {None}
    found = [
        (row["entity"], row["record_id"], row["field"], row["value"] is not None)
        for row in ended.tables["issues"]
        if row["rule"] == "repeated_key" and len(row["field"]) <= SHORT
    ]
    assert Counter(found) == Counter(issue for each in documents for issue in expect_issues(each))
