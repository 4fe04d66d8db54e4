"""Conditions: how a table says when a rule holds, compiled once to functions.

`path` (there, and not empty, false or 0 elements), `not path`, `has name` (the key is there, even if null),
`expression = text`, `!=`, `in a, b`, `not in a, b`, `~ regular expression`, `!~`. Of a list, one element is enough, and
for != , not in and !~ none may be so.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from spark_jobs.sources.environment import Place
from spark_jobs.sources.expressions import Expression, compile_expression, unquote

_OPERATION = re.compile(r"^(.+?) (=|!=|~|!~|in|not in) (.+)$", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """A compiled condition: whether it holds for a part of a record in its place.

    It is a `test` of the value of an expression, or whether there is a member of the `name`; or that this is not so.
    """

    holds: Callable[[Any, Place], bool]
    name: str | None = None
    expression: Expression | None = None
    test: Callable[[Any], bool] = bool
    is_negated: bool = False


def compile_conditions(texts: object, is_csv: bool = False) -> tuple[Condition, ...]:
    """The functions of conditions, all of which must hold. Raises ValueError."""
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("when is a list of conditions")
    return tuple(_compile_condition(text, is_csv) for text in texts)


def _compile_condition(text: str, is_csv: bool) -> Condition:
    if text.startswith("not "):
        condition = _compile_condition(text.removeprefix("not "), is_csv)
        holds = condition.holds
        return replace(condition, holds=lambda node, place: not holds(node, place), is_negated=not condition.is_negated)
    if text.startswith("has "):
        return _compile_has(unquote(text.removeprefix("has ").strip()), is_csv)
    found = _OPERATION.match(text)
    if found is None:
        expression = compile_expression(text)
        get = expression.get
        return Condition(lambda node, place: bool(get(node, place)), expression=expression)
    left, operator, right = found.groups()
    return _compile_test(compile_expression(left), operator, right)


def _compile_has(name: str, is_csv: bool) -> Condition:
    if is_csv:  # blank cells are not in the part
        return Condition(lambda node, place: name in place.record, name)
    return Condition(lambda node, place: name in node, name)


def _compile_test(expression: Expression, operator: str, right: str) -> Condition:
    negated = operator in ("!=", "not in", "!~")
    if operator in ("~", "!~"):
        search = re.compile(right).search
        is_wanted: Callable[[str], bool] = lambda value: search(value) is not None  # noqa: E731
    else:
        texts = [right] if operator in ("=", "!=") else right.split(",")
        wanted = frozenset(unquote(each.strip()) for each in texts)
        is_wanted = wanted.__contains__

    def test(value: Any) -> bool:
        if value.__class__ is list:
            return any(isinstance(each, str) and is_wanted(each) for each in value) != negated
        if value is True or value is False:
            value = "true" if value else "false"
        return (isinstance(value, str) and is_wanted(value)) != negated

    get = expression.get
    return Condition(lambda node, place: test(get(node, place)), expression=expression, test=test)
