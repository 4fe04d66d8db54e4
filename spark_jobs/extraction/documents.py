"""Documents: the JSON of a document becomes a row of the Extract checkpoint. Every leaf is text, nothing is judged.

Python, not Spark's `from_json`, which rounds numbers on their way to text (1.50, 1e400), turns a whole list into null
for one element of another type, and keeps neither the text of a single post nor the names of unknown fields.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from spark_jobs.extraction.parsing import parse_value_at, skip_blanks
from spark_jobs.schemas import (
    COMMENT_FIELDS,
    COMMENT_KEYS,
    DOCUMENT_KEYS,
    LONGEST_KEY,
    NOT_A_LIST,
    NOT_AN_OBJECT,
    POST_FIELDS,
    POST_KEYS,
    REACTION_KEYS,
    REACTIONS,
    USER_FIELDS,
    WHITE_SPACE,
)

Row = dict[str, Any]

_TEXT = frozenset({str})
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def build_document_row(value: object, text: str) -> Row:
    """The row of a document: `value` is its parsed JSON (numbers as text), `text` the JSON itself."""
    if not isinstance(value, dict):
        return {"fault": NOT_AN_OBJECT, "raw": text}
    row = value if _is_plain(value) else _build_checked_row(value, text)
    return _replace_lone_surrogates(row) if _SURROGATE.search(text) else row


def _is_plain(user: dict[str, Any]) -> bool:
    """Whether an object already is its row, as most are: only known fields, every leaf a text, lists where they
    belong, no key missing. Without generators, as there are millions of leaves."""
    posts = user.get("posts")
    return (
        read_key(user.get("user_id")) is not None
        and _holds_texts(user, USER_FIELDS, DOCUMENT_KEYS)
        and isinstance(posts, list)
        and all(map(_is_plain_post, posts))
    )


def _is_plain_post(post: Any) -> bool:
    if not isinstance(post, dict) or not _holds_texts(post, POST_FIELDS, POST_KEYS):
        return False
    comments = post.get("comments")
    if not isinstance(comments, list) or read_key(post.get("post_id")) is None:
        return False
    for comment in comments:
        if not isinstance(comment, dict) or not _holds_texts(comment, COMMENT_FIELDS, COMMENT_KEYS):
            return False
    tags, reactions = post.get("tags", ()), post.get("reactions", {})
    return (
        isinstance(tags, list)
        and _TEXT.issuperset(map(type, tags))
        and isinstance(reactions, dict)
        and _holds_texts(reactions, REACTIONS, REACTION_KEYS)
    )


def _holds_texts(value: dict[str, object], names: Sequence[str], known: frozenset[str]) -> bool:
    """Whether all members of an object are known, and the named ones are texts, null or absent."""
    if not known.issuperset(value):
        return False
    for name in names:  # noqa: SIM110
        if (found := value.get(name)).__class__ is not str and found is not None:
            return False
    return True


def _build_checked_row(value: dict[str, Any], text: str) -> Row:
    unknown: set[str] = {*(value.keys() - DOCUMENT_KEYS)}
    row = _format_leaves(value, USER_FIELDS)
    row["user_id"] = read_key(value.get("user_id"))
    row["posts"] = _build_rows(value.get("posts"), lambda post: _build_post_row(post, unknown))
    row["unknown_fields"] = sorted(unknown) or None
    _keep_raw(row, text)
    return row


def _build_post_row(value: object, unknown: set[str]) -> Row:
    if not isinstance(value, dict):
        return {"fault": NOT_AN_OBJECT, "comments": []}
    if not value.keys() <= POST_KEYS:
        unknown.update(f"posts.{name}" for name in value.keys() - POST_KEYS)
    row = _format_leaves(value, POST_FIELDS)
    row["post_id"] = read_key(value.get("post_id"))
    malformed = []
    tags, reactions = value.get("tags"), value.get("reactions")
    if isinstance(tags, list):
        row["tags"] = [format_leaf(tag) for tag in tags]
    elif tags is not None:
        malformed.append({"field": "tags", "value": format_leaf(tags)})
    if isinstance(reactions, dict):
        row["reactions"] = _format_leaves(reactions, REACTIONS)
        if not reactions.keys() <= REACTION_KEYS:
            unknown.update(f"posts.reactions.{name}" for name in reactions.keys() - REACTION_KEYS)
    elif reactions is not None:
        malformed.append({"field": "reactions", "value": format_leaf(reactions)})
    row["malformed"] = malformed or None
    row["comments"] = _build_rows(value.get("comments"), lambda comment: _build_comment_row(comment, unknown))
    return row


def _build_comment_row(value: object, unknown: set[str]) -> Row:
    if not isinstance(value, dict):
        return {"fault": NOT_AN_OBJECT}
    if not value.keys() <= COMMENT_KEYS:
        unknown.update(f"posts.comments.{name}" for name in value.keys() - COMMENT_KEYS)
    return _format_leaves(value, COMMENT_FIELDS)


def _build_rows(value: object, build_row: Callable[[object], Row]) -> list[Row]:
    """The rows of a list's elements. Any other value counts as one element that cannot be used."""
    if value is None:
        return []
    if isinstance(value, list):
        return [build_row(element) for element in value]
    return [{"fault": NOT_A_LIST, "comments": []}]


def _format_leaves(value: dict[str, object], names: Sequence[str]) -> Row:
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


def read_key(value: object) -> str | None:
    """The text of a key; None where there is none: absent, blank, too long, or neither a text nor a number."""
    if isinstance(value, str) and 0 < len(value.strip(WHITE_SPACE + "\0")) <= LONGEST_KEY:
        return value
    return None


def _keep_raw(document: Row, text: str) -> None:
    """Add the exact text to every record without a key or a usable shape, and to all records under it."""
    lost = document["user_id"] is None
    if lost:
        document["raw"] = text
    if not document["posts"] or not (lost or any(_has_lost(post) for post in document["posts"])):
        return
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
    """The exact texts of the elements of the list `name` in the object `text` (of the last one, if named twice); a
    value that is no list is its own only element."""
    found = [value for key, value in _split_members(text) if key == name][-1]
    return list(_split_list(found)) if found.startswith("[") else [found]


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


def _replace_lone_surrogates(value: Any) -> Any:
    """A lone half of a surrogate pair is legal in JSON and nowhere else: it becomes U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_replace_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {key: _replace_lone_surrogates(item) for key, item in value.items()}
    return value
