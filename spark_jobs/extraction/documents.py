"""One document's JSON in, one row of the Extract checkpoint out: every leaf as text, nothing judged, nothing lost.

Python, not `from_json`: that one rounds numbers on their way to text (1.50, 1e400), turns a whole list into null
for one element of another type, and keeps neither the text of a single post nor the names of unknown fields.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

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


def document_row(value: object, text: str) -> Row:
    """The row of a document: `value` is its parsed JSON (numbers as text), `text` the JSON itself."""
    if not isinstance(value, dict):
        return {"fault": NOT_AN_OBJECT, "raw": text}
    row = value if _is_plain(value) else _checked_row(value, text)
    return _without_lone_surrogates(row) if _SURROGATE.search(text) else row


def _is_plain(user: dict[str, Any]) -> bool:
    """Whether an object is its own row, as most are: known fields only, every leaf a text, a list where one belongs,
    a key everywhere. Looked at without generators: there are millions of leaves."""
    posts = user.get("posts")
    return (
        identifier(user.get("user_id")) is not None
        and _holds_texts(user, USER_FIELDS, DOCUMENT_KEYS)
        and isinstance(posts, list)
        and all(map(_is_plain_post, posts))
    )


def _is_plain_post(post: Any) -> bool:
    if not isinstance(post, dict) or not _holds_texts(post, POST_FIELDS, POST_KEYS):
        return False
    comments = post.get("comments")
    if not isinstance(comments, list) or identifier(post.get("post_id")) is None:
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
    """Whether an object has no members but known ones, and the named ones are texts, null or absent."""
    if not known.issuperset(value):
        return False
    for name in names:  # noqa: SIM110
        if (found := value.get(name)).__class__ is not str and found is not None:
            return False
    return True


def _checked_row(value: dict[str, Any], text: str) -> Row:
    unknown: set[str] = {*(value.keys() - DOCUMENT_KEYS)}
    row = _leaves(value, USER_FIELDS)
    row["user_id"] = identifier(value.get("user_id"))
    row["posts"] = _list_of(value.get("posts"), lambda post: _post_row(post, unknown))
    row["unknown_fields"] = sorted(unknown) or None
    _keep_raw(row, text)
    return row


def _post_row(value: object, unknown: set[str]) -> Row:
    if not isinstance(value, dict):
        return {"fault": NOT_AN_OBJECT, "comments": []}
    if not value.keys() <= POST_KEYS:
        unknown.update(f"posts.{name}" for name in value.keys() - POST_KEYS)
    row = _leaves(value, POST_FIELDS)
    row["post_id"] = identifier(value.get("post_id"))
    malformed = []
    tags, reactions = value.get("tags"), value.get("reactions")
    if isinstance(tags, list):
        row["tags"] = [leaf(tag) for tag in tags]
    elif tags is not None:
        malformed.append({"field": "tags", "value": leaf(tags)})
    if isinstance(reactions, dict):
        row["reactions"] = _leaves(reactions, REACTIONS)
        if not reactions.keys() <= REACTION_KEYS:
            unknown.update(f"posts.reactions.{name}" for name in reactions.keys() - REACTION_KEYS)
    elif reactions is not None:
        malformed.append({"field": "reactions", "value": leaf(reactions)})
    row["malformed"] = malformed or None
    row["comments"] = _list_of(value.get("comments"), lambda comment: _comment_row(comment, unknown))
    return row


def _comment_row(value: object, unknown: set[str]) -> Row:
    if not isinstance(value, dict):
        return {"fault": NOT_AN_OBJECT}
    if not value.keys() <= COMMENT_KEYS:
        unknown.update(f"posts.comments.{name}" for name in value.keys() - COMMENT_KEYS)
    return _leaves(value, COMMENT_FIELDS)


def _list_of(value: object, row_of: Callable[[object], Row]) -> list[Row]:
    """The rows of a list's elements; a value where a list belongs counts as one element that cannot be used."""
    if value is None:
        return []
    if isinstance(value, list):
        return [row_of(element) for element in value]
    return [{"fault": NOT_A_LIST, "comments": []}]


def _leaves(value: dict[str, object], names: Sequence[str]) -> Row:
    """The named members of an object as text. Most are: to ask here saves a call for each of millions."""
    return {
        name: found if (found := value.get(name)) is None or found.__class__ is str else leaf(found) for name in names
    }


def leaf(value: object) -> str | None:
    """A leaf as text: a string as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def identifier(value: object) -> str | None:
    """The text of a key; None where there is none: absent, blank, too long, or neither a text nor a number."""
    if isinstance(value, str) and 0 < len(value.strip(WHITE_SPACE + "\0")) <= LONGEST_KEY:
        return value
    return None


def _keep_raw(document: Row, text: str) -> None:
    """Give the exact text to every record without a key or a usable shape, and to all that stands under it."""
    lost = document["user_id"] is None
    if lost:
        document["raw"] = text
    if not document["posts"] or not (lost or any(_has_lost(post) for post in document["posts"])):
        return
    for post, post_text in zip(document["posts"], element_texts(text, "posts"), strict=True):
        post_lost = lost or post.get("post_id") is None
        if post_lost:
            post["raw"] = post_text
        if not post["comments"] or not (post_lost or _has_lost(post)):
            continue
        for comment, comment_text in zip(post["comments"], element_texts(post_text, "comments"), strict=True):
            if post_lost or comment.get("fault"):
                comment["raw"] = comment_text


def _has_lost(post: Row) -> bool:
    return post.get("post_id") is None or any(comment.get("fault") for comment in post["comments"])


_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str)
_BLANKS = re.compile(r"[ \t\n\r]*")


def element_texts(text: str, name: str) -> list[str]:
    """The exact texts of the elements of the list `name` in the object `text` (the last one, if named twice);
    a value that is no list is its own only element."""
    found = [value for key, value in _members(text) if key == name][-1]
    return list(_elements(found)) if found.startswith("[") else [found]


def _members(text: str) -> Iterator[tuple[str, str]]:
    place = _after_blanks(text, _after_blanks(text, 0) + 1)
    while text[place] != "}":
        key, place = _SCANNER.raw_decode(text, place)
        start = _after_blanks(text, _after_blanks(text, place) + 1)
        end = _SCANNER.raw_decode(text, start)[1]
        yield key, text[start:end]
        place = _after_comma(text, end)


def _elements(text: str) -> Iterator[str]:
    place = _after_blanks(text, 1)
    while text[place] != "]":
        end = _SCANNER.raw_decode(text, place)[1]
        yield text[place:end]
        place = _after_comma(text, end)


def _after_comma(text: str, place: int) -> int:
    place = _after_blanks(text, place)
    return _after_blanks(text, place + 1) if text[place] == "," else place


def _after_blanks(text: str, place: int) -> int:
    return _BLANKS.match(text, place).end()  # type: ignore[union-attr]  # matches the empty text, so always


def _without_lone_surrogates(value: Any) -> Any:
    """A lone half of a surrogate pair is legal in JSON and in nothing else: it becomes U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_lone_surrogates(item) for key, item in value.items()}
    return value
