"""Expressions: how a table says what a field is and when a rule holds, compiled once to functions.

    author                                   a path
    author | null_if [deleted]               with transforms
    full_text // text | unescape             the first path that is there
    ["a | time", "b | epoch"]                the first expression that gives something
    { join = ["a", "b"], with = "/" }        texts one after another; `all = true`: nothing unless all are there
    { collect = ["a[].b", "c[]"] }           all that they give, as one list
    { value = "video" }                      always this text

Conditions: `path` (there, and not empty, false or 0 elements), `not path`, `has name` (the key is there, even if null),
`expression = text`, `!=`, `in a, b`, `not in a, b`, `~ regular expression`, `!~`. Of a list, one element is enough, and
for != , not in and !~ none may be so.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spark_jobs.sources.environment import Place
from spark_jobs.sources.paths import Getter, Path, compile_path
from spark_jobs.sources.transforms import PLACED_TRANSFORMS, THREAD_TRANSFORMS, TRANSFORMS, OfTexts, Transform

PathCounter = Callable[[str], int]
"""Takes a mapped path, gives the place of its counter."""

THREAD = "[thread]"

_TOKEN = re.compile(r"""(?:'[^']*'|"[^"]*"|\[[^\]]*\]|[^\s'"\[])+""")
_OPERATION = re.compile(r"^(.+?) (=|!=|~|!~|in|not in) (.+)$", re.DOTALL)


@dataclass(frozen=True)
class Pipe:
    """An expression that asks nothing but members of the record: the paths to them, of which the first that is there
    counts, and the transforms of its value."""

    members: tuple[Path, ...]
    transforms: tuple[Transform, ...]

    def change_all(self, values: list[Any]) -> list[Any]:
        """The values of members after the transforms."""
        for transform in self.transforms:
            change = transform.change if isinstance(transform, OfTexts) else transform
            values = [
                change(value) if value.__class__ is str else None if value is None else transform(value)
                for value in values
            ]
        return values


@dataclass(frozen=True)
class Join:
    """An expression that joins the texts of pipes, and what is done to the text it gives."""

    parts: tuple[Pipe, ...]
    join: Callable[[Sequence[Any]], str | None]
    then: Pipe


@dataclass(frozen=True)
class Expression:
    """A compiled expression. `is_many`: it may give a list. `tops`: the members of the record it reads. `needs`: the
    parts of the table it needs, THREAD or the names of look-ups. `plain`: the same taken apart, where it asks nothing
    but members of the record."""

    get: Getter
    is_many: bool
    tops: frozenset[str]
    needs: frozenset[str] = frozenset()
    plain: Pipe | Join | None = None

    @property
    def pipes(self) -> tuple[Pipe, ...]:
        """The pipes that a plain expression consists of."""
        return self.plain.parts if isinstance(self.plain, Join) else (self.plain,) if self.plain else ()


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


def compile_expression(definition: object, count_path: PathCounter | None = None) -> Expression:
    """The function of an expression. Raises ValueError."""
    if isinstance(definition, str):
        return _compile_pipe(definition, count_path)
    if isinstance(definition, list) and definition:
        return _compile_first([compile_expression(each, count_path) for each in definition])
    if isinstance(definition, dict) and definition.keys() == {"value"}:
        value = str(definition["value"])
        return Expression(lambda node, place: value, False, frozenset())
    if isinstance(definition, dict) and definition.keys() == {"collect"}:
        return _compile_collect([compile_expression(each, count_path) for each in definition["collect"]])
    if isinstance(definition, dict) and "join" in definition and definition.keys() <= {"join", "with", "all", "then"}:
        return _compile_join(definition, count_path)
    raise ValueError(
        f"{definition!r} is no expression: a text, a list or join or collection of expressions, or a value"
    )


def _compile_pipe(text: str, count_path: PathCounter | None) -> Expression:
    tokens = _TOKEN.findall(text)
    stages: list[list[str]] = [[]]
    for token in tokens:
        if token == "|":
            stages.append([])
        else:
            stages[-1].append(token)
    names = " ".join(stages[0]).split(" // ") if stages[0] else [""]
    paths = [compile_path(name, count_path(name) if count_path else None) for name in names]
    tops = frozenset(path.top for path in paths if path.top)
    get, is_many = _choose_path(paths), any(path.is_many for path in paths)
    needs: set[str] = set()
    for stage in stages[1:]:
        get = _add_transform(get, stage, needs)
        is_many = is_many or stage[0] in ("hashtags", "list", "split")
    return Expression(get, is_many, tops, frozenset(needs), _find_pipe(paths, stages[1:]))


def _find_pipe(paths: Sequence[Path], stages: Sequence[Sequence[str]]) -> Pipe | None:
    if not all(path.is_member for path in paths) or not all(name in TRANSFORMS for name, *_ in stages):
        return None
    return Pipe(tuple(paths), tuple(_make_transform(name, arguments) for name, *arguments in stages))


def _choose_path(paths: Sequence[Path]) -> Getter:
    if len(paths) == 1:
        return paths[0].get
    getters = [path.get for path in paths]

    def get_first(node: Any, place: Place) -> Any:
        for get in getters:
            value = get(node, place)
            if value is not None:
                return value
        return None

    return get_first


def _add_transform(get: Getter, stage: Sequence[str], needs: set[str]) -> Getter:
    """The getter with a transform after it; what that needs is added."""
    if not stage:
        raise ValueError("no transform stands after a bar")
    name, *arguments = stage
    if name in TRANSFORMS:
        return _then(get, _make_transform(name, arguments))
    if name in PLACED_TRANSFORMS:
        arguments = [_unquote(argument) for argument in arguments]
        transform = PLACED_TRANSFORMS[name](arguments)

        def get_placed(node: Any, place: Place) -> Any:
            value = get(node, place)
            return None if value is None else transform(value, node, place)

        if name in THREAD_TRANSFORMS:
            needs.add(THREAD)
        elif name == "look_up" and len(arguments) == 1:
            needs.add(arguments[0])
        return get_placed
    known = ", ".join(sorted([*TRANSFORMS, *PLACED_TRANSFORMS]))
    raise ValueError(f"there is no transform {name}; there are {known}")


def _make_transform(name: str, arguments: Sequence[str]) -> Transform:
    return TRANSFORMS[name]([_unquote(argument) for argument in arguments])


def _then(get: Getter, transform: Transform) -> Getter:
    """The getter with a transform after it; most values are texts, which saves millions of calls."""
    if isinstance(transform, OfTexts):
        change = transform.change

        def get_changed(node: Any, place: Place) -> Any:
            value = get(node, place)
            if value.__class__ is str:
                return change(value)
            return None if value is None else transform(value)

        return get_changed

    def get_transformed(node: Any, place: Place) -> Any:
        value = get(node, place)
        return None if value is None else transform(value)

    return get_transformed


def _unquote(argument: str) -> str:
    return argument[1:-1] if argument[:1] in "'\"" and argument[-1:] == argument[:1] and len(argument) > 1 else argument


def _compile_first(parts: Sequence[Expression]) -> Expression:
    getters = [part.get for part in parts]

    def get_first(node: Any, place: Place) -> Any:
        for get in getters:
            value = get(node, place)
            if value is not None and value != "" and value != []:
                return value
        return None

    return _gather(get_first, parts, any(part.is_many for part in parts))


def _compile_collect(parts: Sequence[Expression]) -> Expression:
    getters = [part.get for part in parts]

    def collect(node: Any, place: Place) -> Any:
        found: list[Any] = []
        for get in getters:
            value = get(node, place)
            if isinstance(value, list):
                found += value
            elif value is not None:
                found.append(value)
        return found or None

    return _gather(collect, parts, True)


def _compile_join(definition: dict[str, Any], count_path: PathCounter | None) -> Expression:
    parts = [compile_expression(each, count_path) for each in definition["join"]]
    if not parts:
        raise ValueError("join has no expressions")
    getters = [part.get for part in parts]
    separator, needs_all = str(definition.get("with", "")), bool(definition.get("all", False))
    stages = [_TOKEN.findall(stage) for stage in str(definition.get("then", "")).split("|") if stage.strip()]

    def join(values: Sequence[Any]) -> str | None:
        found = [value for value in values if isinstance(value, str) and value]
        return separator.join(found) if found and not (needs_all and len(found) < len(values)) else None

    get: Getter = lambda node, place: join([get_part(node, place) for get_part in getters])  # noqa: E731
    needs: set[str] = set()
    for stage in stages:
        get = _add_transform(get, stage, needs)
    joined = _gather(get, parts, False)
    then = _find_pipe((), stages)
    pipes = [part.plain for part in parts if isinstance(part.plain, Pipe)]
    plain = Join(tuple(pipes), join, then) if then and len(pipes) == len(parts) else None
    return Expression(joined.get, False, joined.tops, joined.needs | needs, plain)


def list_texts(value: object) -> tuple[str, ...]:
    """A text or a list of texts as a table has it; none where it is not there. Raises ValueError."""
    texts = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{value!r} is neither a text nor a list of texts")
    return tuple(texts)


def _gather(get: Getter, parts: Sequence[Expression], is_many: bool) -> Expression:
    tops = frozenset[str]().union(*(part.tops for part in parts))
    return Expression(get, is_many, tops, frozenset[str]().union(*(part.needs for part in parts)))


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
        return _compile_has(_unquote(text.removeprefix("has ").strip()), is_csv)
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
        wanted = frozenset(_unquote(each.strip()) for each in texts)
        is_wanted = wanted.__contains__

    def test(value: Any) -> bool:
        if value.__class__ is list:
            return any(isinstance(each, str) and is_wanted(each) for each in value) != negated
        if value is True or value is False:
            value = "true" if value else "false"
        return (isinstance(value, str) and is_wanted(value)) != negated

    get = expression.get
    return Condition(lambda node, place: test(get(node, place)), expression=expression, test=test)
