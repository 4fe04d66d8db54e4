"""Columns: the rules of a table applied to many records at once, where all of these are of one simple kind.

What this makes of records is what `Source.map` makes of each. It does so for a table whose fields are members of the
record and transforms of them, and for records that surprise in nothing; it refuses all others, for which the caller
turns to `Source.map`. A transform is done once to each different value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.extraction.keys import are_keys
from spark_jobs.schemas import REACTIONS, TEXT
from spark_jobs.sources.conditions import Condition
from spark_jobs.sources.environment import Context
from spark_jobs.sources.expressions import Expression, Join, Pipe
from spark_jobs.sources.rules import (
    OTHER_REACTIONS,
    OWN_KEY,
    TAGS,
    USER,
    Group,
    Rule,
    read_tags,
    remember_user,
)
from spark_jobs.sources.simple_tables import is_simple
from spark_jobs.sources.source import Source
from spark_jobs.sources.texts import count_left_over

TAG_LIST = pa.list_(TEXT)


class NotPlain(Exception):
    """The records have to be mapped one by one."""


@dataclass(frozen=True)
class Members:
    """The members of records, a column of texts by each name; a null is a member that is not there. `has` tells of a
    name whether all records have it or none has; it raises NotPlain where only some do."""

    count: int
    columns: Mapping[str, pa.StringArray]
    has: Callable[[str], bool]

    def take(self, rows: np.ndarray) -> "Members":
        """The members of some of the records, by a mask."""
        if rows.all():
            return self
        mask = pa.array(rows)
        taken = {name: column.filter(mask) for name, column in self.columns.items()}
        return Members(int(rows.sum()), taken, self.has)

    def find(self, name: str) -> pa.StringArray:
        """A column; one of nulls where no record has the member."""
        found = self.columns.get(name)
        return pa.nulls(self.count, TEXT) if found is None else found


@dataclass(frozen=True)
class MadeRows:
    """The rows of one entity: of which records they are (a mask), and their fields by name."""

    entity: str
    records: np.ndarray
    fields: Mapping[str, pa.Array]


def map_columns(source: Source, members: Members, context: Context) -> list[MadeRows]:
    """The rows of records, in the order in which a record has them. Counts in the context which paths were found.

    Raises NotPlain, having changed nothing.
    """
    (group,) = source.groups
    mapping = _Mapping(source, members)
    made = mapping.make_rows(group)
    users = [rows for rows in made if rows.entity == USER]
    if users and len(made) > 1:
        made = _drop_repeated_users(made, source.platform, context)
    for counter, times in mapping.found.items():
        context.found[counter] += times
    return made


class _Mapping:
    def __init__(self, source: Source, members: Members) -> None:
        self._source = source
        self._members = members
        self.found: dict[int, int] = {}

    def make_rows(self, group: Group) -> list[MadeRows]:
        """The rows of all records by rule; users first."""
        rules = self._choose_rules(group.rules)
        if not rules:  # records of nothing but a user
            if not any(rule.is_alone and self._test_all(rule.conditions).all() for rule in group.user_rules):
                raise NotPlain
            rules = [(group.user_rules[0], np.ones(self._members.count, bool))]
        else:
            rules = [(rule, self._test_all(rule.conditions)) for rule in group.user_rules] + rules
        rules = [(rule, records) for rule, records in rules if records.any()]
        if not all(is_simple(rule) for rule, _ in rules):
            raise NotPlain
        return [MadeRows(rule.make, records, self._make_fields(rule, records)) for rule, records in rules]

    def _choose_rules(self, rules: Sequence[Rule]) -> list[tuple[Rule, np.ndarray]]:
        """The rules other than those of users, each with the records of which it is the first that holds."""
        left = np.ones(self._members.count, bool)
        chosen: list[tuple[Rule, np.ndarray]] = []
        for rule in rules:
            records = left & self._test_all(rule.conditions)
            if records.any():
                chosen.append((rule, records))
                left &= ~records
            if not left.any():
                break
        makes = {rule.make for rule, _ in chosen}
        if (chosen and left.any()) or len(makes) < len(chosen):
            raise NotPlain
        return chosen

    def _test_all(self, conditions: Sequence[Condition]) -> np.ndarray:
        held = np.ones(self._members.count, bool)
        for condition in conditions:
            held &= self._test(condition)
            if not held.any():
                break
        return held

    def _test(self, condition: Condition) -> np.ndarray:
        if condition.name is not None:
            held = np.full(self._members.count, self._members.has(condition.name))
        else:
            assert condition.expression is not None
            (pipe,) = condition.expression.pipes
            values = _choose_members(pipe, self._members, {}).dictionary_encode()
            tested = [condition.test(value) for value in _change_all(pipe, values.dictionary.to_pylist())]
            tested.append(condition.test(None))
            held = np.array(tested, bool)[values.indices.fill_null(len(tested) - 1).to_numpy(zero_copy_only=False)]
        return ~held if condition.is_negated else held

    def _make_fields(self, rule: Rule, records: np.ndarray) -> dict[str, pa.Array]:
        members = self._members.take(records)
        fields = {name: self._evaluate(expression, members, name == TAGS) for name, expression in rule.fields}
        if OWN_KEY[rule.make] not in fields or not are_keys(fields[OWN_KEY[rule.make]]):
            raise NotPlain
        if rule.total is not None:
            fields[OTHER_REACTIONS] = self._count_other_reactions(rule.total, members, fields)
        return fields

    def _evaluate(self, expression: Expression, members: Members, is_tags: bool = False) -> pa.Array:
        """The values of an expression, as a row has them."""
        plain = expression.plain
        if isinstance(plain, Join):
            parts = [self._evaluate_pipe(pipe, members) for pipe in plain.parts]
            joined = [plain.join(values) for values in zip(*parts, strict=True)]
            return self._build(_change_all(plain.then, joined), is_tags)
        assert plain is not None
        values = _choose_members(plain, members, self.found)
        if not plain.transforms and not is_tags:
            return values
        encoded = values.dictionary_encode()
        changed = _change_all(plain, encoded.dictionary.to_pylist())
        return self._build(changed, is_tags).take(encoded.indices)

    def _evaluate_pipe(self, pipe: Pipe, members: Members) -> list[Any]:
        encoded = _choose_members(pipe, members, self.found).dictionary_encode()
        changed = _change_all(pipe, encoded.dictionary.to_pylist())
        return [None if index is None else changed[index] for index in encoded.indices.to_pylist()]

    def _build(self, values: list[Any], is_tags: bool) -> pa.Array:
        if self._source.is_csv:
            values = [None if value == "" else value for value in values]
        if is_tags:
            values = [_read_plain_tags(value) for value in values]
        elif not {value.__class__ for value in values} <= {str, NoneType}:
            raise NotPlain
        try:
            return pa.array(values, TAG_LIST if is_tags else TEXT)
        except UnicodeEncodeError as error:  # half of a surrogate pair, written as an escape
            raise NotPlain from error

    def _count_other_reactions(self, total: Expression, members: Members, fields: Mapping[str, pa.Array]) -> pa.Array:
        """The reported totals less the reactions of the fields, where there are no other reactions yet."""
        names = [name for name in REACTIONS if name in fields]
        if OTHER_REACTIONS in fields and fields[OTHER_REACTIONS].null_count < members.count:
            raise NotPlain  # no total is asked for then
        columns = [self._evaluate(total, members), *(fields[name] for name in names)]
        others = []
        for reported, *counts in zip(*(column.to_pylist() for column in columns), strict=True):
            known = {name: count for name, count in zip(names, counts, strict=True) if count is not None}
            others.append(count_left_over(reported, known))
        return pa.array(others, TEXT)


def _choose_members(pipe: Pipe, members: Members, found: dict[int, int]) -> pa.StringArray:
    """The values of the first path of a pipe that is there; `found` counts those of each path."""
    chosen: pa.StringArray | None = None
    for path in pipe.members:
        assert path.top is not None
        values = members.find(path.top)
        if chosen is not None:
            values = pc.if_else(pc.is_null(chosen), values, pa.scalar(None, TEXT))
        if path.counter is not None:
            found[path.counter] = found.get(path.counter, 0) + len(values) - values.null_count
        chosen = values if chosen is None else pc.coalesce(chosen, values)
    return chosen


def _change_all(pipe: Pipe, values: list[Any]) -> list[Any]:
    try:
        return pipe.change_all(values)
    except Exception as error:  # of which Source.map makes a rejected record
        raise NotPlain from error


def _read_plain_tags(value: Any) -> list[str] | None:
    tags = None if value is None else read_tags(value)
    if tags is None and value is not None:
        raise NotPlain
    return tags


def _drop_repeated_users(made: Sequence[MadeRows], platform: str | None, context: Context) -> list[MadeRows]:
    """The rows without those of users who are the same as last."""
    users, *others = made
    names = list(users.fields)
    columns = [column.to_pylist() for column in users.fields.values()]
    is_new = np.zeros(int(users.records.sum()), bool)
    for number, values in enumerate(zip(*columns, strict=True)):
        row = {"entity": USER, "record_index": 0, "platform": platform}
        row |= {name: value for name, value in zip(names, values, strict=True) if value is not None}
        is_new[number] = remember_user(row, context.last_users)
    records = users.records.copy()
    records[users.records] = is_new
    kept = pa.array(is_new)
    fields = {name: column.filter(kept) for name, column in users.fields.items()}
    return [MadeRows(USER, records, fields), *others] if is_new.any() else others
