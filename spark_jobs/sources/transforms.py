"""Transforms: what a table may do with a value it found; a fixed list.

A transform of texts is done to each text of a list. It never fails: what it cannot read stays as it is, and Clean
judges it. A value that is nothing (None) stays nothing.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from spark_jobs.sources import texts, times
from spark_jobs.sources.environment import Place
from spark_jobs.sources.paths import Getter, compile_path

Transform = Callable[[Any], Any]
Maker = Callable[[Sequence[str]], Transform]
PlacedTransform = Callable[[Any, Any, Place], Any]
"""Takes a value, the part of the record it was found in, and its place."""


DAY_FIRST = "day_first"


class OfTexts:
    """A transform of a text, done to each text of a list; any other value stays as it is."""

    __slots__ = ("change",)

    def __init__(self, change: Callable[[str], Any]) -> None:
        self.change = change

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.change(value)
        if value.__class__ is list:
            changed = [self.change(each) if isinstance(each, str) else each for each in value]
            return [each for each in changed if each is not None]
        return value


def _take_none(name: str, change: Transform) -> Maker:
    def make(arguments: Sequence[str]) -> Transform:
        if arguments:
            raise ValueError(f"{name} takes no argument")
        return change

    return make


def _take_one(name: str, change: Callable[[str, str], Any], what: str) -> Maker:
    """A transform of texts with one argument."""

    def make(arguments: Sequence[str]) -> Transform:
        if len(arguments) != 1:
            raise ValueError(f"{name} takes one argument, {what}")
        (argument,) = arguments
        return OfTexts(lambda text: change(text, argument))

    return make


def _take_time(name: str, write: Callable[..., str]) -> Maker:
    def make(arguments: Sequence[str]) -> Transform:
        is_day_first = DAY_FIRST in arguments
        offsets = [argument for argument in arguments if argument != DAY_FIRST]
        if len(offsets) > 1:
            raise ValueError(f"{name} takes at most {DAY_FIRST} and an offset such as -05:00")
        offset = times.read_offset(offsets[0]) if offsets else 0
        return OfTexts(partial(write, offset=offset, is_day_first=is_day_first))

    return make


def _make_epoch(arguments: Sequence[str]) -> Transform:
    unit = arguments[0] if arguments else "s"
    if arguments == ["any"]:
        return OfTexts(times.write_any_epoch)
    if len(arguments) > 1 or unit not in times.PER_SECOND:
        raise ValueError(f"epoch takes at most one argument, one of {', '.join(times.PER_SECOND)}, any")
    return OfTexts(partial(times.write_epoch, per_second=times.PER_SECOND[unit]))


def _make_null_if(arguments: Sequence[str]) -> Transform:
    if not arguments:
        raise ValueError("null_if takes the texts that mean nothing")
    nothing = frozenset(arguments)
    return OfTexts(lambda text: None if text in nothing else text)


def _make_map(arguments: Sequence[str]) -> Transform:
    pairs = [argument.partition("=") for argument in arguments]
    if not pairs or not all(equals for _, equals, _ in pairs):
        raise ValueError("map takes pairs such as image=photo")
    names = {name: value for name, _, value in pairs}
    return OfTexts(lambda text: names.get(text, text))


def _split_list(value: Any) -> Any:
    """The elements of a text; a list already is one."""
    return texts.split_list(value) if isinstance(value, str) else value


def _make_split(arguments: Sequence[str]) -> Transform:
    if len(arguments) != 1:
        raise ValueError("split takes one argument, the text between two elements")
    (mark,) = arguments
    return lambda value: texts.split_list(value, mark) if isinstance(value, str) else value


def _cut_before(text: str, mark: str) -> str:
    return text.partition(mark)[0]


def _cut_after(text: str, mark: str) -> str | None:
    _, found, rest = text.partition(mark)
    return rest if found else None


def _cut_last(text: str, mark: str) -> str:
    return text.rstrip(mark).rpartition(mark)[2]


def _zero_if_negative(text: str) -> str:
    return "0" if text.startswith("-") else text


def _make_as(arguments: Sequence[str]) -> Transform:
    if len(arguments) != 1:
        raise ValueError("as takes one argument, a text")
    (text,) = arguments
    return lambda value: text if value else None


def _take_first(value: Any) -> Any:
    if value.__class__ is list:
        return value[0] if value else None
    return value


def _take_last(value: Any) -> Any:
    if value.__class__ is list:
        return value[-1] if value else None
    return value


def _count_elements(value: Any) -> Any:
    return str(len(value)) if value.__class__ is list else value


TRANSFORMS: dict[str, Maker] = {
    "time": _take_time("time", times.write_time),
    "epoch": _make_epoch,
    "any_time": _take_time("any_time", times.write_any_time),
    "html": _take_none("html", OfTexts(texts.strip_html)),
    "unescape": _take_none("unescape", OfTexts(texts.unescape)),
    "mojibake": _take_none("mojibake", OfTexts(texts.repair_mojibake)),
    "number": _take_none("number", OfTexts(texts.drop_commas)),
    "zero_if_negative": _take_none("zero_if_negative", OfTexts(_zero_if_negative)),
    "hashtags": _take_none("hashtags", OfTexts(texts.find_hashtags)),
    "list": _take_none("list", _split_list),
    "split": _make_split,
    "lower": _take_none("lower", OfTexts(str.lower)),
    "trim": _take_none("trim", OfTexts(str.strip)),
    "parts": _take_none("parts", texts.join_parts),
    "json_parts": _take_none("json_parts", OfTexts(texts.read_json_parts)),
    "before": _take_one("before", _cut_before, "a text"),
    "after": _take_one("after", _cut_after, "a text"),
    "last": _take_one("last", _cut_last, "the text between two parts"),
    "drop_prefix": _take_one("drop_prefix", str.removeprefix, "a text"),
    "prefix": _take_one("prefix", lambda text, start: start + text, "a text"),
    "digest": _take_none("digest", OfTexts(texts.digest)),
    "as": _make_as,
    "null_if": _make_null_if,
    "map": _make_map,
    "first": _take_none("first", _take_first),
    "final": _take_none("final", _take_last),
    "count": _take_none("count", _count_elements),
}
"""By name, what makes the transform of its arguments. Raises ValueError where they do not fit.

time [OFFSET]       a time that is a text; OFFSET (-05:00) for those that do not say theirs; day_first: 31/12/2023
epoch [s|ms|us|any] a time that is a number since 1970; any: in the unit that its length tells
any_time [OFFSET]   either
html, unescape      the text of HTML; a text in which only & < > are escaped
mojibake            UTF-8 read as Latin-1
number              1,240 is 1240
zero_if_negative    -3 is 0
hashtags            the hashtags in a text
list, split MARK    a list in a cell: a,b or ["a","b"]; parted by another mark
parts, json_parts   one text of a list of texts and objects with a `text`; of JSON objects in a text
before, after MARK  what stands before (all of it without the mark), after (nothing without it)
last MARK           the part after the last mark
drop_prefix, prefix TEXT
digest              a key of a text, where a format has none
as TEXT             TEXT wherever something is there that is not empty or false
null_if TEXT ...    these texts mean nothing
map A=B ...         A becomes B
lower, trim, first, final, count
"""


def find_root(value: Any, node: Any, place: Place) -> Any:
    """The record that began the thread in which this one (its key) is; its newest version."""
    if not isinstance(value, str):
        return value
    root = place.context.find_root(value)
    return place.context.versions.get(root, root)


def find_parent_reply(value: Any, node: Any, place: Place) -> Any:
    """The record itself (its key) where it is a reply, None where it began the thread."""
    context = place.context
    if not isinstance(value, str):
        return value
    return context.versions.get(value, value) if value in context.parents else None


def _make_null_if_same(arguments: Sequence[str]) -> PlacedTransform:
    if len(arguments) != 1:
        raise ValueError("null_if_same takes one argument, a path")
    get = compile_path(arguments[0]).get
    return lambda value, node, place: None if value == get(node, place) else value


def _make_look_up(arguments: Sequence[str]) -> PlacedTransform:
    if len(arguments) == 1:
        (name,) = arguments
        return lambda value, node, place: place.context.lookups.get(name, {}).get(value)
    if len(arguments) != 3:
        raise ValueError("look_up takes the name of a look-up, or a list's path, its elements' key and the value")
    get_list: Getter = compile_path(arguments[0]).get
    get_key, get_value = compile_path(arguments[1]).get, compile_path(arguments[2]).get

    def look_up(value: Any, node: Any, place: Place) -> Any:
        elements = get_list(node, place)
        for each in elements if isinstance(elements, list) else ():
            if isinstance(each, dict) and get_key(each, place) == value:
                return get_value(each, place)
        return None

    return look_up


def _ignore_arguments(change: PlacedTransform) -> Callable[[Sequence[str]], PlacedTransform]:
    def make(arguments: Sequence[str]) -> PlacedTransform:
        if arguments:
            raise ValueError("it takes no argument")
        return change

    return make


PLACED_TRANSFORMS: dict[str, Callable[[Sequence[str]], PlacedTransform]] = {
    "root": _ignore_arguments(find_root),
    "reply": _ignore_arguments(find_parent_reply),
    "null_if_same": _make_null_if_same,
    "look_up": _make_look_up,
}
"""Transforms that look elsewhere.

root                    of the key of the record that is replied to: the post that began the thread
reply                   the same key where it is itself a reply, nothing where it is that post
null_if_same PATH       nothing where the value at PATH is the same
look_up PATH KEY VALUE  the VALUE of the element of the list at PATH whose KEY is the value
look_up NAME            the same in a [lookup.NAME] over the whole file
"""
THREAD_TRANSFORMS = frozenset({"root", "reply"})
"""Those that need [thread]."""
