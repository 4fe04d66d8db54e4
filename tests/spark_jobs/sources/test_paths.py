"""Paths and expressions of a table: what they find, and what is said where they cannot be understood."""

from typing import Any

import pytest

from spark_jobs.sources.conditions import compile_conditions
from spark_jobs.sources.environment import Context, Place
from spark_jobs.sources.expressions import compile_expression
from spark_jobs.sources.paths import compile_path

RECORD: dict[str, Any] = {
    "a": {"b": "1", "c.d": "2", "e f": "3"},
    "list": [{"type": "x", "v": "4"}, None, {"type": "y", "v": "5"}, "text"],
    "one": {"v": "6"},
    "members": {"first": {"v": "7"}, "second": {"v": "8"}, "third": None},
    "$type": "9",
    "none": None,
    "blank": "",
    "flag": False,
    "zero": "0",
}


def place(**shared: str) -> Place:
    context = Context(10, shared, {"id": "file"})
    outer = Place(RECORD, context.enclosing, context)
    return outer.enter({"id": "outer"}, is_reply=True)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", "1"),
        ("a.'c.d'", "2"),
        ("a.'e f'", "3"),
        ("$type", "9"),
        ("list[].v", ["4", "5"]),
        ("list[0].v", "4"),
        ("list[-1]", "text"),
        ("list[9].v", None),
        ("list[1]", None),
        ("list[type=y].v", ["5"]),
        ("list[type=z].v", None),
        ("one[].v", ["6"]),
        ("members.*.v", ["7", "8"]),
        ("a.b.c", None),
        ("list.v", None),
        ("none.x", None),
        ("^.id", "outer"),
        ("^^.id", None),
        ("$parent.id", "outer"),
        ("$record.a.b", "1"),
        ("$file.id", "file"),
        ("$shared.owner", "7"),
    ],
)
def test_path__finds(path, found):
    assert compile_path(path).get(RECORD, place(owner="7")) == found


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a b", "no path: not understood from 'a b'"),
        ("a..b", "no path: not understood from '.b'"),
        ("a[b", "not understood"),
        ("a[=x]", r"\[=x\] is neither"),
        ("", "a path is empty"),
    ],
)
def test_path__that_cannot_be_understood(path, reason):
    with pytest.raises(ValueError, match=reason):
        compile_path(path)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("none // a.b", "1"),
        ("blank // a.b", ""),
        (["blank", "a.b"], "1"),
        ({"join": ["a.b", "blank", "none", "zero"], "with": "/"}, "1/0"),
        ({"join": ["a.b", "none"], "with": "/", "all": True}, None),
        ({"join": ["a.b", "zero"], "with": "-", "then": "before - | prefix x"}, "x1"),
        ({"value": "video"}, "video"),
        ("a.b | map 1=one | prefix 'the '", "the one"),
        ("list[].v | null_if 4", ["5"]),
        ("list[].v | final", "5"),
        ("list[].v | count", "2"),
        ("none | prefix x", None),
        ("a.b | null_if_same a.b", None),
        ("a.b | null_if_same zero", "1"),
        ("list[0].type | look_up list type v", "4"),
        ("a.b | after 9", None),
        ("a.b | before 9", "1"),
    ],
)
def test_expression__gives(expression, found):
    assert compile_expression(expression).get(RECORD, place()) == found


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("a.b", True),
        ("none", False),
        ("blank", False),
        ("flag", False),
        ("zero", True),
        ("not none", True),
        ("has none", True),
        ("not has none", False),
        ("has other", False),
        ("a.b = 1", True),
        ("a.b != 1", False),
        ("none != 1", True),
        ("flag = false", True),
        ("list[].type = y", True),
        ("list[].type != y", False),
        ("list[].type not in a, b", True),
        ("list[].type in y, z", True),
        ("a.b ~ ^[0-9]$", True),
        ("a.b !~ ^[0-9]$", False),
        ("none // a.b = 1", True),
    ],
)
def test_condition__holds(condition, holds):
    [compiled] = compile_conditions([condition])
    assert compiled.holds(RECORD, place()) is holds


def test_path__counts_how_often_it_was_found():
    paths: list[str] = []

    def count_path(path: str) -> int:
        if path not in paths:
            paths.append(path)
        return paths.index(path)

    where = place()
    for definition in ("a.b", "a.b | lower", "none // zero", "list[].v"):
        compile_expression(definition, count_path).get(RECORD, where)
    assert dict(zip(paths, where.found, strict=False)) == {"a.b": 2, "none": 0, "zero": 1, "list[].v": 1}
