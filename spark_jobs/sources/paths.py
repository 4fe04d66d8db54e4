"""Paths: where a value stands in a record, compiled once to a function.

    a.b           a member of a member
    a[].b         of each element of a list (an object in its place counts as its only element)
    a[0], a[-1]   an element by its place
    a[type=x]     the elements whose member `type` is x
    a.*.b         of each member
    'a.b'         a member whose name has a dot, a blank or a bracket in it
    ^.a, ^^.a     of the part around this one, and of the one around that
    $parent.a     of the part this one is a reply to, found by `recurse`
    $record.a     of the whole record
    $file.a       of the object around the records
    $shared.a     of another file of the same archive or folder

A path through something that is no object finds nothing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spark_jobs.sources.environment import NO_MEMBERS, Place

Getter = Callable[[Any, Place], Any]
"""Takes a part of a record and its place, gives the value that was found there or None."""
Finder = Callable[[Any], Any]

_ORIGIN = re.compile(r"(\$(?:file|shared|record|parent)|\^+)(?:\.|$)")
_STEP = re.compile(r"(?:'([^']+)'|([^.\[\]'\s]+))?((?:\[[^\]]*\])*)(?:\.|$)")
_BRACKET = re.compile(r"\[([^\]]*)\]")
_INDEX = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Path:
    """A compiled path. `is_many`: it finds a list of values, and not one. `top`: the member of the record it begins
    with, None where it begins elsewhere. `is_member`: it is that member, and no part of it. `counter`: the place where
    it counts how often it finds a value."""

    text: str
    get: Getter
    is_many: bool
    top: str | None
    is_member: bool
    counter: int | None


def compile_path(text: str, counter: int | None = None) -> Path:
    """The function of a path. With a counter, each time it finds a value counts. Raises ValueError."""
    origin, steps = _split_path(text)
    keys = [step for step in steps if isinstance(step, str)]
    is_many = len(keys) < len(steps) and any(not isinstance(step, int) for step in steps if not isinstance(step, str))
    is_member = not origin and len(steps) == len(keys) == 1
    if is_member:
        get = _get_member(keys[0], counter)
    else:
        find = _find_member(keys) if len(keys) == len(steps) else _find_parts(steps, is_many)
        get = _start_at(origin, find)
        get = get if counter is None else _count(get, counter)
    top = keys[0] if not origin and keys and steps[0] == keys[0] else None
    return Path(text, get, is_many, top, is_member, counter)


def _split_path(text: str) -> tuple[str, list[Any]]:
    """The origin, "" for the part itself, and the steps: a text is a member's name, a number an element's place, a pair
    a filter, EACH every element, ANY every member."""
    found = _ORIGIN.match(text)
    origin = found.group(1) if found else ""
    place = found.end() if found else 0
    steps: list[Any] = []
    while place < len(text):
        step = _STEP.match(text, place)
        if step is None or not step.group().strip("."):
            raise ValueError(f"{text!r} is no path: not understood from {text[place:]!r} on")
        quoted, name, brackets = step.groups()
        if quoted or name:
            steps.append(_ANY if name == "*" else quoted or name)
        steps += [_read_bracket(inner) for inner in _BRACKET.findall(brackets)]
        place = step.end()
    if not origin and not steps:
        raise ValueError("a path is empty")
    return origin, steps


class _Each:
    """A step to every element of a list, or to every member of an object."""


_EACH, _ANY = _Each(), _Each()


def _read_bracket(inner: str) -> Any:
    if not inner:
        return _EACH
    if _INDEX.fullmatch(inner):
        return int(inner)
    name, equals, wanted = inner.partition("=")
    if not equals or not name:
        raise ValueError(f"[{inner}] is neither [], a place such as [0], nor a filter such as [type=photo]")
    return name, wanted


def _start_at(origin: str, find: Finder) -> Getter:
    if origin == "$file":
        return lambda node, place: find(place.file)
    if origin == "$shared":
        return lambda node, place: find(place.context.shared)
    if origin == "$record":
        return lambda node, place: find(place.record)
    if origin == "$parent":
        return lambda node, place: find(place.parent)
    if origin:
        return lambda node, place: find(_climb(place, len(origin)))
    return lambda node, place: find(node)


def _climb(place: Place, levels: int) -> Any:
    for _ in range(levels - 1):
        if place.outer_place is None:
            return NO_MEMBERS
        place = place.outer_place
    return place.outer


def _count(get: Getter, counter: int) -> Getter:
    def count(node: Any, place: Place) -> Any:
        value = get(node, place)
        if value is not None:
            place.found[counter] += 1
        return value

    return count


def _get_member(name: str, counter: int | None) -> Getter:
    """The most frequent path by far, in one call. The part is an object."""
    if counter is None:
        return lambda node, place: node.get(name)

    def count(node: Any, place: Place) -> Any:
        value = node.get(name)
        if value is not None:
            place.found[counter] += 1
        return value

    return count


def _find_member(names: Sequence[str]) -> Finder:
    if not names:
        return lambda node: node
    if len(names) == 1:
        (name,) = names
        return lambda node: node.get(name) if isinstance(node, dict) else None

    def find(node: Any) -> Any:
        for name in names:
            if not isinstance(node, dict):
                return None
            node = node.get(name)
        return node

    return find


def _find_parts(steps: Sequence[Any], is_many: bool) -> Finder:
    """All values of a path with steps to elements; the one value where each step leads to one."""

    def find(node: Any) -> Any:
        nodes = [node]
        for step in steps:
            nodes = [part for each in nodes for part in _take_step(each, step)]
            if not nodes:
                return None
        return nodes if is_many else nodes[0]

    return find


def _take_step(node: Any, step: Any) -> Sequence[Any]:
    if isinstance(step, str):
        value = node.get(step) if isinstance(node, dict) else None
        return () if value is None else (value,)
    if step is _ANY:
        return [value for value in node.values() if value is not None] if isinstance(node, dict) else ()
    if isinstance(node, dict) and not isinstance(step, int):
        node = [node]
    if not isinstance(node, list):
        return ()
    if step is _EACH:
        return [value for value in node if value is not None]
    if isinstance(step, int):
        return (node[step],) if -len(node) <= step < len(node) and node[step] is not None else ()
    name, wanted = step
    return [each for each in node if isinstance(each, dict) and each.get(name) == wanted]
