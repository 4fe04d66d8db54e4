"""Rules: what a part of a record becomes.

The rules of a table with the same `each` and `recurse` stand together: of those that make no user, the first that holds
makes the row.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spark_jobs.extraction.documents import format_leaf
from spark_jobs.extraction.keys import read_key
from spark_jobs.schemas import INVALID_PREFIX, REACTIONS, RECORD_FIELDS
from spark_jobs.sources.conditions import Condition, compile_conditions
from spark_jobs.sources.environment import Place, Row
from spark_jobs.sources.expressions import Expression, PathCounter, compile_expression, list_texts
from spark_jobs.sources.paths import Getter, compile_path
from spark_jobs.sources.texts import classify_emoji, count_left_over

USER, POST, COMMENT, SKIPPED, WRAPPER = "user", "post", "comment", "skipped", "wrapper"
FIELDS = {entity: RECORD_FIELDS[entity] for entity in (USER, POST, COMMENT)}
"""By entity, the fields that a table can give a value."""
KEYS = frozenset({"user_id", "post_id", "comment_id", "parent_comment_id"})
"""Fields that hold a key: a number among them is written out."""
OWN_KEY = {USER: "user_id", POST: "post_id", COMMENT: "post_id"}
"""By entity, the field without which a row has no place; its text is kept then."""
TAGS, REACTIONS_TOTAL, OTHER_REACTIONS = "tags", "reactions_total", "other_reactions"
RULE_KEYS = frozenset({"make", "each", "recurse", "when", "reason", "of", "private", "alone", "fields", "reactions"})
LAST_USERS = 100_000
"""Users whose last row is remembered: some 50 MB at most."""


@dataclass(frozen=True)
class Rule:
    """A compiled rule. `fields`: names and getters; `emoji`: the list of reactions, an element's emoji and count."""

    make: str
    conditions: tuple[Condition, ...]
    fields: tuple[tuple[str, Expression], ...]
    total: Expression | None
    emoji: tuple[Getter, Getter, Getter] | None
    reason: str
    skipped_entity: str
    is_private: bool
    is_alone: bool

    def holds(self, node: Any, place: Place) -> bool:
        """Whether all conditions hold for a part of a record."""
        for condition in self.conditions:
            if not condition.holds(node, place):
                return False
        return not (self.is_private and place.context.keeps_private)


@dataclass(frozen=True)
class Group:
    """The rules of the same parts: `paths` lead to them from the record, `recursions` from one of them to the next."""

    paths: tuple[Getter, ...]
    recursions: tuple[Getter, ...]
    user_rules: tuple[Rule, ...]
    rules: tuple[Rule, ...]

    @property
    def has_parts(self) -> bool:
        """Whether a record is more than its own only part."""
        return bool(self.paths or self.recursions)

    def find_rule(self, node: Any, place: Place) -> Rule | None:
        """The rule by which a part becomes something else than a user."""
        for rule in self.rules:
            if rule.holds(node, place):
                return rule
        return None

    def find_parts(self, value: Any, place: Place) -> Iterator[tuple[Any, Place]]:
        """The parts of a record, each with its place."""
        if self.paths:
            parts = [(each, place.enter(value, is_reply=False)) for each in _list_parts(self.paths, value, place)]
        else:
            parts = [(value, place)]
        if not self.recursions:
            yield from parts
            return
        pending = deque(parts)
        while pending:
            node, where = pending.popleft()
            yield node, where
            replies = _list_parts(self.recursions, node, where)
            pending += [(each, where.enter(node, is_reply=True)) for each in replies]


def _list_parts(getters: Sequence[Getter], node: Any, place: Place) -> Iterator[Any]:
    if not isinstance(node, dict):
        return
    for get in getters:
        found = get(node, place)
        if isinstance(found, list):
            yield from found
        elif found is not None and found != "":
            yield found


def compile_rule(table: dict[str, Any], count_path: PathCounter, is_csv: bool) -> Rule:
    """The rule of a table `[[rows]]`. Raises ValueError."""
    make = table.get("make")
    if make not in (*FIELDS, SKIPPED, WRAPPER):
        raise ValueError(f"make is {make!r}, not one of {', '.join((*FIELDS, SKIPPED, WRAPPER))}")
    if unknown := table.keys() - RULE_KEYS:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; a rule has {', '.join(sorted(RULE_KEYS))}")
    if make == SKIPPED and not table.get("reason"):
        raise ValueError("a rule that skips says its reason")
    definitions = dict(table.get("fields", {}))
    total = definitions.pop(REACTIONS_TOTAL, None) if make == POST else None
    known = FIELDS.get(make, ())
    if strangers := [name for name in definitions if name not in known]:
        raise ValueError(f"a {make} has no field {', '.join(strangers)}; it has {', '.join(known)}")
    if known and OWN_KEY[make] not in definitions and not (make == COMMENT and "comment_id" in definitions):
        raise ValueError(f"the fields of a {make} begin with {OWN_KEY[make]}")
    fields = tuple((name, compile_expression(definitions[name], count_path)) for name in known if name in definitions)
    return Rule(
        make,
        compile_conditions(table.get("when", []), is_csv),
        fields,
        compile_expression(total, count_path) if total is not None else None,
        _compile_emoji(table.get("reactions"), count_path),
        str(table.get("reason", "")),
        str(table.get("of", POST)),
        bool(table.get("private", False)),
        bool(table.get("alone", False)),
    )


def _compile_emoji(table: object, count_path: PathCounter) -> tuple[Getter, Getter, Getter] | None:
    if table is None:
        return None
    if not isinstance(table, dict) or table.keys() != {"each", "emoji", "count"}:
        raise ValueError("reactions has each (a path to a list), and of its elements emoji and count")
    each = compile_expression(table["each"], count_path).get
    return each, compile_expression(table["emoji"]).get, compile_expression(table["count"]).get


def group_rules(tables: Sequence[dict[str, Any]], rules: Sequence[Rule]) -> tuple[Group, ...]:
    """The groups of the rules, in the order of their first."""
    together: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Rule]] = {}
    for table, rule in zip(tables, rules, strict=True):
        each = list_texts(table.get("each"))
        where = (() if each == (".",) else each, list_texts(table.get("recurse")))
        together.setdefault(where, []).append(rule)
    return tuple(
        Group(
            tuple(_compile_part(path) for path in each),
            tuple(compile_path(path).get for path in recurse),
            tuple(rule for rule in found if rule.make == USER),
            tuple(rule for rule in found if rule.make != USER),
        )
        for (each, recurse), found in together.items()
    )


def _compile_part(path: str) -> Getter:
    """A path to parts; "." is the record itself."""
    return (lambda node, place: node) if path == "." else compile_path(path).get


def build_row(rule: Rule, node: Any, place: Place, platform: str | None, blank_is_null: bool) -> Row:
    """The row that a rule makes of a part of a record: fields that have no value are left out."""
    row: Row = {"entity": rule.make, "record_index": 0, "platform": platform}
    issues = None
    for name, expression in rule.fields:
        value = expression.get(node, place)
        if value is None or (blank_is_null and value == ""):
            continue
        if value.__class__ is str and name != TAGS:
            row[name] = value
            continue
        if name == TAGS:
            kept: str | list[str] | None = read_tags(value)
        else:
            kept = _read_leaf(name, value, expression.is_many, takes_any=platform is None)
        if kept is None:
            issues = issues or []
            issues.append({"field": name, "rule": INVALID_PREFIX + name, "value": format_leaf(value)})
        elif kept != "" or name not in KEYS:
            row[name] = kept
    if rule.emoji is not None:
        _count_emoji(rule.emoji, node, place, row)
    if rule.total is not None and OTHER_REACTIONS not in row:
        other = count_left_over(rule.total.get(node, place), row)
        if other is not None:
            row[OTHER_REACTIONS] = other
    if issues:
        row["issues"] = issues
    return row


def _read_leaf(name: str, value: Any, is_many: bool, takes_any: bool) -> str | None:
    """The text of a leaf; None where the value is none. Of several values the first counts. Where a text belongs, the
    canonical fields take any value as its JSON (`takes_any`), like the nested format."""
    if is_many and isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, list | dict) and (name in KEYS or not takes_any):
        return None
    return read_key(value) if name in KEYS else format_leaf(value)


def read_tags(value: Any) -> list[str] | None:
    """The tags that a value is; None where it is an object."""
    if isinstance(value, dict):
        return None
    elements = value if isinstance(value, list) else [value]
    flat = [each for element in elements for each in (element if isinstance(element, list) else [element])]
    return [text for each in flat if not isinstance(each, dict) and (text := format_leaf(each)) is not None]


def _count_emoji(getters: tuple[Getter, Getter, Getter], node: Any, place: Place, row: Row) -> None:
    get_each, get_emoji, get_count = getters
    counts = dict.fromkeys((*REACTIONS, OTHER_REACTIONS), 0)
    elements = get_each(node, place)
    for element in elements if isinstance(elements, list) else ():
        if not isinstance(element, dict):
            continue
        try:
            count = int(get_count(element, place))
        except (TypeError, ValueError):
            count = 0
        counts[classify_emoji(get_emoji(element, place))] += max(count, 0)
    if row["entity"] == COMMENT:
        counts = {"likes": counts["like"]}
    for name, count in counts.items():
        row.setdefault(name, str(count))


def remember_user(row: Row, last_users: dict[str, Row]) -> bool:
    """Whether the row of a user who was met beside a post or comment is another than the last. One that only says less
    is another, too: in whatever tasks the rows are made, the same one is the last."""
    key = row.get("user_id", "")
    if last_users.get(key) == row:
        return False
    if len(last_users) >= LAST_USERS:
        last_users.clear()
    last_users[key] = dict(row)
    return True
