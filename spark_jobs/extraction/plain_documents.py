"""Plain documents: objects that already are their row, as most are.

A parsed object does not tell that one of its keys stood twice. Its text does: it has more ends of keys than the object
has keys.
"""

from typing import Any

import numpy as np

from spark_jobs.extraction.keys import is_key
from spark_jobs.extraction.parsing import BLANKS, WrittenNumber
from spark_jobs.schemas import COMMENT_KEYS, DOCUMENT_KEYS, POST_FIELDS, POST_KEYS, REACTION_KEYS, USER_FIELDS

_TEXT = frozenset({str, WrittenNumber})
_TEXT_OR_NULL = _TEXT | {type(None)}
_NO_TAGS: list[str] = []
_NO_REACTIONS: dict[str, str] = {}

SHORT_TEXT = 1_000
"""Characters: in fewer, Python's own searches take less time than the calls of numpy."""
_KEY_ENDS = ('":', " :", "\n:", "\t:", "\r:")
_COLON, _QUOTE = ord(":"), ord('"')


def count_plain_keys(user: dict[str, Any]) -> int:
    """How many keys an object and all in it have, if it is its own row: only known fields, every leaf a text, lists
    where they belong, no id missing. 0 if it is not. Without generators, as there are millions of leaves."""
    posts: Any = user.get("posts")
    if posts.__class__ is not list or not is_key(user.get("user_id")) or not DOCUMENT_KEYS.issuperset(user):
        return 0
    for name in USER_FIELDS:
        if user.get(name).__class__ not in _TEXT_OR_NULL:
            return 0
    keys = len(user)
    for post in posts:
        if not (of_post := _count_keys_of_post(post)):
            return 0
        keys += of_post
    return keys


def _count_keys_of_post(post: Any) -> int:
    if post.__class__ is not dict or not POST_KEYS.issuperset(post) or not is_key(post.get("post_id")):
        return 0
    for name in POST_FIELDS:
        if post.get(name).__class__ not in _TEXT_OR_NULL:
            return 0
    comments, tags, reactions = post.get("comments"), post.get("tags", _NO_TAGS), post.get("reactions", _NO_REACTIONS)
    if comments.__class__ is not list or reactions.__class__ is not dict or not REACTION_KEYS.issuperset(reactions):
        return 0
    keys = len(post) + len(reactions)
    for comment in comments:
        if comment.__class__ is not dict or not COMMENT_KEYS.issuperset(comment):
            return 0
        keys += len(comment)
        for value in comment.values():  # a number that identifies the commenter has to be written out
            if value.__class__ is not str and value is not None:
                return 0
    for value in reactions.values():
        if value.__class__ not in _TEXT_OR_NULL:
            return 0
    return keys if tags.__class__ is list and _TEXT.issuperset(map(type, tags)) else 0


def count_keys(value: object) -> int:
    """How many keys a value and all in it have, however deep it is."""
    keys, pending = 0, [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            keys += len(each)
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
    return keys


def may_repeat_keys(text: str, keys: int) -> bool:
    """Whether a key may stand twice in an object of this JSON text, whose value has so many keys.

    Colons after a quote, a blank or the one character between them are counted first: few more than ends of keys, and
    quickly found. Only if they are more, those after a blank are looked at one by one.
    """
    if len(text) < SHORT_TEXT and sum(map(text.count, _KEY_ENDS)) == keys:
        return False
    content = text.encode()
    codes = np.frombuffer(content, np.uint8)
    is_end = (codes[1:] == _COLON) & (codes[:-1] <= _QUOTE)
    return np.count_nonzero(is_end) != keys and _count_key_ends(content, np.flatnonzero(is_end)) != keys


def _count_key_ends(content: bytes, places: np.ndarray) -> int:
    """How many of these places, apart from blanks before them, have a quote."""
    is_quote = np.frombuffer(content, np.uint8)[places] == _QUOTE
    count = int(np.count_nonzero(is_quote))
    for place in places[~is_quote].tolist():
        while content[place] in BLANKS:
            place -= 1
        count += content[place] == _QUOTE
    return count
