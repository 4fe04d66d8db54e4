"""Documents: the JSON of a document becomes a row of the Extract checkpoint. Every leaf is text, nothing is judged.

Python, not Spark's `from_json`, which rounds numbers on their way to text (1.50, 1e400), turns a whole list into null
for one element of another type, and keeps neither the text of a single post nor the names of unknown fields.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from spark_jobs.extraction.keys import read_key
from spark_jobs.extraction.parsing import RepeatingObject, parse_repeating, parse_value_at, skip_blanks
from spark_jobs.extraction.plain_documents import count_keys, count_plain_keys, may_repeat_keys
from spark_jobs.schemas import (
    COMMENT_FIELDS,
    COMMENT_KEYS,
    DOCUMENT_KEYS,
    INVALID_PREFIX,
    LONGEST_KEY,
    NOT_A_LIST,
    NOT_AN_OBJECT,
    POST_FIELDS,
    POST_KEYS,
    REACTION_KEYS,
    REACTIONS,
    REPEATED_KEY,
    USER_FIELDS,
)

Row = dict[str, Any]
Place = tuple[int | None, int | None]
"""The index of a post in its document, and of a comment in its post; None of both is the document."""

RECORD_LISTS = frozenset({"posts", "comments"})
"""The keys whose lists all count if the key stands twice."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def build_document_row(value: object, text: str) -> Row:
    """The row of a document: `value` is its parsed JSON (numbers as text), `text` the JSON itself."""
    if not isinstance(value, dict):
        return {"fault": NOT_AN_OBJECT, "raw": text}
    row, found = value, _Findings()
    keys = count_plain_keys(value)
    if not keys:
        row, keys = _build_checked_row(value, found), found.keys
    if may_repeat_keys(text, keys):
        found = _Findings()
        row = _build_checked_row(parse_repeating(text), found)
    if found.has_lost_records:
        _keep_raw(row, text)
    return replace_lone_surrogates(row, text)


class _Findings:
    """What is wrong with a document and all in it, and how many keys were seen: never more than there are.

    `has_lost_records`: some have no key or no usable shape.
    """

    def __init__(self) -> None:
        self.keys = 0
        self.has_lost_records = False
        self.unknown: set[str] = set()
        self.issues: list[Row] = []

    def read_key(self, value: Row, name: str) -> str | None:
        """The key of a record."""
        key = read_key(value.get(name))
        if key is None:
            self.has_lost_records = True
        return key

    def lose_record(self, fault: str) -> Row:
        """The row of a post or comment that has no usable shape."""
        self.has_lost_records = True
        return {"fault": fault, "comments": []}

    def add_issue(self, place: Place, field: str, rule: str, value: str | None) -> None:
        """Add a field of the record at a place."""
        post_index, comment_index = place
        where = {"post_index": post_index, "comment_index": comment_index}
        self.issues.append({**where, "field": field, "rule": rule, "value": value})

    def add_keys(self, place: Place, value: Row, known: frozenset[str], level: str, field_prefix: str = "") -> None:
        """Add the keys of an object that are unknown or stand more than once. An issue shows the values that do not
        count; of lists of records all count."""
        self.keys += len(value)
        if value.__class__ is dict and known.issuperset(value):
            return
        if not known.issuperset(value):
            unknown = value.keys() - known
            self.unknown.update(level + name for name in unknown)
            self.keys += sum(count_keys(value[name]) for name in unknown)
        if isinstance(value, RepeatingObject):
            for name, values in value.repeated.items():
                dropped = None if name in RECORD_LISTS and name in known else ", ".join(map(_show_leaf, values[:-1]))
                self.add_issue(place, (field_prefix + name)[:LONGEST_KEY], REPEATED_KEY, dropped)


def _build_checked_row(value: Row, found: _Findings) -> Row:
    """The row of any object, without raw texts."""
    found.add_keys((None, None), value, DOCUMENT_KEYS, "")
    row = _format_leaves(value, USER_FIELDS)
    row["user_id"] = found.read_key(value, "user_id")
    row["posts"] = _build_rows(value, "posts", found, lambda post, index: _build_post_row(post, index, found))
    row["unknown_fields"] = sorted(found.unknown) or None
    row["issues"] = found.issues or None
    return row


def _build_post_row(value: object, index: int, found: _Findings) -> Row:
    if not isinstance(value, dict):
        return found.lose_record(NOT_AN_OBJECT)
    place = (index, None)
    found.add_keys(place, value, POST_KEYS, "posts.")
    row = _format_leaves(value, POST_FIELDS)
    row["post_id"] = found.read_key(value, "post_id")
    tags, reactions = value.get("tags"), value.get("reactions")
    if isinstance(tags, list):
        row["tags"] = [format_leaf(tag) for tag in tags]
    elif tags is not None:
        found.add_issue(place, "tags", INVALID_PREFIX + "tags", format_leaf(tags))
    if isinstance(reactions, dict):
        row["reactions"] = _format_leaves(reactions, REACTIONS)
        found.add_keys(place, reactions, REACTION_KEYS, "posts.reactions.", "reactions.")
    elif reactions is not None:
        found.add_issue(place, "reactions", INVALID_PREFIX + "reactions", format_leaf(reactions))
    row["comments"] = _build_rows(
        value, "comments", found, lambda comment, number: _build_comment_row(comment, (index, number), found)
    )
    return row


def _build_comment_row(value: object, place: Place, found: _Findings) -> Row:
    if not isinstance(value, dict):
        return found.lose_record(NOT_AN_OBJECT)
    found.add_keys(place, value, COMMENT_KEYS, "posts.comments.")
    row = _format_leaves(value, COMMENT_FIELDS)
    user_id = value.get("user_id")
    if user_id.__class__ is not str and user_id is not None:
        row["user_id"] = read_key(user_id)
        if row["user_id"] is None:
            found.add_issue(place, "user_id", INVALID_PREFIX + "user_id", format_leaf(user_id))
    return row


def _build_rows(parent: Row, name: str, findings: _Findings, build_row: Callable[[object, int], Row]) -> list[Row]:
    """The rows of the elements of a list, or of all lists of that name, each with its index. A value that is no list
    counts as one element that cannot be used."""
    values = parent.repeated.get(name) if isinstance(parent, RepeatingObject) else None
    rows: list[Row] = []
    for found in values or [parent.get(name)]:
        if isinstance(found, list):
            rows += [build_row(element, index) for index, element in enumerate(found, len(rows))]
        elif found is not None:
            rows.append(findings.lose_record(NOT_A_LIST))
    return rows


def _format_leaves(value: Row, names: Sequence[str]) -> Row:
    """The named members of an object as text. Most are text, so the check here saves millions of calls."""
    row: Row = {}
    for name in names:
        found = value.get(name)
        row[name] = found if found is None or found.__class__ is str else format_leaf(found)
    return row


def format_leaf(value: object) -> str | None:
    """A leaf as text: a string as it is, anything else as JSON; null stays None."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _show_leaf(value: object) -> str:
    """The same with null as JSON writes it."""
    return "null" if value is None else str(format_leaf(value))


def _keep_raw(document: Row, text: str) -> None:
    """Add the exact text to every record without a key or a usable shape, and to all records under it."""
    lost = document["user_id"] is None
    if lost:
        document["raw"] = text
    for post, post_text in zip(document["posts"], split_elements(text, "posts"), strict=True):
        post_lost = lost or post.get("post_id") is None
        if post_lost:
            post["raw"] = post_text
        if not post["comments"] or not (post_lost or _has_lost(post)):
            continue
        for comment, comment_text in zip(post["comments"], split_elements(post_text, "comments"), strict=True):
            if post_lost or comment.get("fault"):
                comment["raw"] = comment_text


def _has_lost(post: Row) -> bool:
    return post.get("post_id") is None or any(comment.get("fault") for comment in post["comments"])


def split_elements(text: str, name: str) -> list[str]:
    """The exact texts of the elements of all lists `name` in the object `text`; a value that is no list is its own only
    element, null is none."""
    found = [value for key, value in _split_members(text) if key == name and value != "null"]
    return [element for value in found for element in (_split_list(value) if value.startswith("[") else [value])]


def _split_members(text: str) -> Iterator[tuple[object, str]]:
    """The names of an object's members, and the exact texts of their values."""
    place = skip_blanks(text, skip_blanks(text, 0) + 1)
    while text[place] != "}":
        key, place = parse_value_at(text, place)
        start = skip_blanks(text, skip_blanks(text, place) + 1)
        _, end = parse_value_at(text, start)
        yield key, text[start:end]
        place = _skip_comma(text, end)


def _split_list(text: str) -> Iterator[str]:
    place = skip_blanks(text, 1)
    while text[place] != "]":
        _, end = parse_value_at(text, place)
        yield text[place:end]
        place = _skip_comma(text, end)


def _skip_comma(text: str, place: int) -> int:
    place = skip_blanks(text, place)
    return skip_blanks(text, place + 1) if text[place] == "," else place


def replace_lone_surrogates(value: Any, text: str) -> Any:
    """A value of the JSON `text`. A lone half of a surrogate pair is legal in JSON and nowhere else: it is U+FFFD."""
    escape = text.find("\\")
    return _replace_lone_surrogates(value) if escape >= 0 and _SURROGATE.search(text, escape) else value


def _replace_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_replace_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {key: _replace_lone_surrogates(item) for key, item in value.items()}
    return value
