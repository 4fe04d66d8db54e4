"""Expressions: how a table says what a field is, compiled once to functions.

author                                   a path
author | null_if [deleted]               with transforms
full_text // text | unescape             the first path that is there
["a | time", "b | epoch"]                the first expression that gives something
{ join = ["a", "b"], with = "/" }        texts one after another; `all = true`: nothing unless all are there
{ collect = ["a[].b", "c[]"] }           all that they give, as one list
{ value = "video" }                      always this text
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spark_jobs.sources.environment import Place
from spark_jobs.sources.paths import Getter, Path, compile_path
from spark_jobs.sources.transforms import PLACED_TRANSFORMS, THREAD_TRANSFORMS, TRANSFORMS, OfTexts, Transform

PathCounter = Callable[[str], int]
"""Takes a mapped path, gives the place of its counter."""

THREAD = "[thread]"

_TOKEN = re.compile(r"""(?:'[^']*'|"[^"]*"|\[[^\]]*\]|[^\s'"\[])+""")


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
        arguments = [unquote(argument) for argument in arguments]
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
    return TRANSFORMS[name]([unquote(argument) for argument in arguments])


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


def unquote(argument: str) -> str:
    """A word of a table without the quotes around it."""
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
