"""A source: one format of an export, as its table describes it.

What a task does with a file of it:

    source = detect(head, file_name, sources)
    context = source.start(shared=…, enclosing=…)      # without a first pass, or
    context = source.index(values, shared=…, enclosing=…)  # source.needs_index: then the file is read whole by one task
    rows = source.map(value, text, context)            # of each record, in their order
    source.count_found(context, made)                   # how often each mapped path was found

`values` are parsed as in spark_jobs.extraction.parsing: numbers are texts. A row of CSV is a dict whose names come from
`name_columns`. Where the file is one JSON object and paths of `source.records` lead to lists in it, the elements of
all these lists are the records, and the object's other members are `enclosing`; of a JS file, `enclosing` is
{"variable": head.variable}.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from spark_jobs.extraction.documents import replace_lone_surrogates
from spark_jobs.extraction.keys import is_key
from spark_jobs.schemas import NOT_AN_OBJECT
from spark_jobs.sources.conditions import Condition
from spark_jobs.sources.environment import NO_MEMBERS, Context, Place, Row
from spark_jobs.sources.expressions import Expression
from spark_jobs.sources.heads import Head
from spark_jobs.sources.indexing import Indexing
from spark_jobs.sources.paths import Getter
from spark_jobs.sources.raw_texts import find_raw_text
from spark_jobs.sources.recognition import Detection
from spark_jobs.sources.rules import OWN_KEY, SKIPPED, USER, WRAPPER, Group, Rule, build_row, remember_user

UNKNOWN_KIND, UNREADABLE_RECORD, CELL_COUNT = "unknown_kind", "unreadable_record", "cell_count"
"""Rules by which a record is rejected: no rule of the table holds; it surprises in another way; a CSV row has more or
fewer cells than the header has columns."""


@dataclass(frozen=True)
class Source:
    """A compiled table. `table` is its text, from which it is compiled again in another process."""

    name: str
    title: str
    platform: str | None
    table: str
    is_native: bool
    is_csv: bool
    names: tuple[str, ...]
    detections: tuple[Detection, ...]
    records: tuple[str, ...]
    paths: tuple[str, ...]
    """Every mapped path, once."""
    path_entities: tuple[frozenset[str], ...]
    """Of each of them, the entities whose fields it fills."""
    needs_index: bool
    """Whether the records of a file have to be seen before the first is mapped: the file is read whole by one task."""
    get_records: tuple[Getter, ...]
    container: tuple[Condition, ...]
    groups: tuple[Group, ...]
    known: frozenset[str] | None
    indexing: Indexing
    shared_variables: frozenset[str]
    shared_conditions: tuple[Condition, ...]
    shared_fields: tuple[tuple[str, Expression], ...]

    @property
    def may_split(self) -> bool:
        """Whether several tasks may read parts of one file."""
        return not self.needs_index

    def start(
        self,
        shared: Mapping[str, str] | None = None,
        enclosing: Mapping[str, Any] | None = None,
        keeps_private: bool = False,
    ) -> Context:
        """What a task needs to map the records of a file whose source needs no first pass."""
        return Context(len(self.paths), shared, enclosing, keeps_private)

    def index(
        self,
        values: Iterable[object],
        shared: Mapping[str, str] | None = None,
        enclosing: Mapping[str, Any] | None = None,
        keeps_private: bool = False,
    ) -> Context:
        """The same after the first pass: all records of the file, of which only keys are kept."""
        context = self.start(shared, enclosing, keeps_private)
        for value in values if self.needs_index else ():
            self.collect(value, context)
        return context

    def collect(self, value: object, context: Context) -> None:
        """The first pass of `index` for one record. A record that surprises says nothing of others."""
        with contextlib.suppress(Exception):
            for record, place in self._find_records(value, context):
                for node, where in self.groups[0].find_parts(record, place):
                    self.indexing.collect(node if isinstance(node, dict) else NO_MEMBERS, where)

    def map(self, value: object, text: str, context: Context) -> list[Row]:
        """The rows of one record; `text` is its exact text. A record that surprises is a rejected row."""
        rows: list[Row] = []
        try:
            if self.get_records:
                for record, place in self._find_records(value, context):
                    self._map_record(record, place, value, text, rows)
            else:
                self._map_record(value, Place(value, context.enclosing, context), value, text, rows)
        except Exception:  # whatever a record holds, it stops no file
            rows = [self.make_rejected(UNREADABLE_RECORD, text)]
        if len(rows) > 1:
            counts: dict[str, int] = {}
            for row in rows:
                entity = row["entity"]
                row["record_index"] = counts[entity] = counts.get(entity, -1) + 1
        found: list[Row] = replace_lone_surrogates(rows, text)
        return found

    def may_share(self, head: Head) -> bool:
        """Whether a file says something that other files of the same archive or folder need."""
        return bool(self.shared_fields) and (
            not self.shared_variables or any(f".{name}." in head.variable for name in self.shared_variables)
        )

    def read_shared(self, value: object) -> dict[str, str]:
        """What a record of such a file says to the others."""
        node = value if isinstance(value, dict) else NO_MEMBERS
        place = Place(node, NO_MEMBERS, self.start())
        if not all(condition.holds(node, place) for condition in self.shared_conditions):
            return {}
        found = {name: expression.get(node, place) for name, expression in self.shared_fields}
        return {name: text for name, text in found.items() if isinstance(text, str)}

    def count_found(self, context: Context, made: Collection[str]) -> dict[str, int]:
        """How often each mapped path was found; without the paths of entities of which no row was `made`."""
        counted = zip(self.paths, self.path_entities, context.found, strict=True)
        return {path: times for path, entities, times in counted if not entities.isdisjoint(made)}

    def _find_records(self, value: object, context: Context) -> Iterator[tuple[Any, Place]]:
        """The records in a value: usually itself, the elements of its list where it is an object around records."""
        enclosing: Any = context.enclosing
        pending: list[tuple[Any, Any]] = [(value, enclosing)]
        while pending:
            each, around = pending.pop()
            elements = self._list_records(each, around, context) if self.get_records else None
            if elements is None:
                yield each, Place(each, around, context)
            else:
                pending += [(element, each) for element in reversed(elements)]

    def _list_records(self, value: Any, around: Any, context: Context) -> list[Any] | None:
        if not isinstance(value, dict):
            return None
        place = Place(value, around, context)
        if not all(condition.holds(value, place) for condition in self.container):
            return None
        lists = [found for get in self.get_records if isinstance(found := get(value, place), list)]
        return list(chain.from_iterable(lists)) if lists else None

    def _map_record(self, record: Any, place: Place, value: object, text: str, rows: list[Row]) -> None:
        before = len(rows)
        is_object = isinstance(record, dict)
        is_known = False
        for group in self.groups if is_object or not self.is_csv else ():
            parts = group.find_parts(record, place) if group.has_parts else ((record, place),)
            for node, where in parts:
                is_known = self._map_part(node, where, group, value, text, rows) or is_known
        if not is_known:
            rule = UNKNOWN_KIND if is_object else CELL_COUNT if self.is_csv else NOT_AN_OBJECT
            rows.append(self.make_rejected(rule, self._raw(text, value, record)))
        if self.known is not None and is_object and len(rows) > before and not self.known.issuperset(record):
            rows[before]["unknown_fields"] = sorted(record.keys() - self.known)

    def _map_part(self, node: Any, place: Place, group: Group, value: object, text: str, rows: list[Row]) -> bool:
        """Add the rows of a part; whether a rule held. A part that no rule knows is rejected, and so is one of which
        only the author is known."""
        members = node if isinstance(node, dict) else NO_MEMBERS
        if self.is_csv:
            members = {name: cell for name, cell in members.items() if cell}
        rule = group.find_rule(members, place)
        is_withheld = rule is not None and rule.is_private
        user_rules = [each for each in group.user_rules if not is_withheld and each.holds(members, place)]
        users = [self._make_row(each, members, place, value, text, node) for each in user_rules]
        if rule is not None:
            rows += [user for user in users if remember_user(user, place.context.last_users)]
            if rule.make == SKIPPED:
                rows.append(self.make_skipped(rule.reason, rule.skipped_entity))
            elif rule.make != WRAPPER:
                rows.append(self._make_row(rule, members, place, value, text, node))
            return True
        rows += users
        if not users and node is place.record:
            return False
        if users and (not group.rules or any(each.is_alone for each in user_rules)):
            return True
        rows.append(self.make_rejected(UNKNOWN_KIND if members else NOT_AN_OBJECT, self._raw(text, value, node)))
        return True

    def _make_row(self, rule: Rule, members: Any, place: Place, value: object, text: str, node: Any) -> Row:
        if members is NO_MEMBERS:
            return self.make_rejected(NOT_AN_OBJECT, self._raw(text, value, node))
        if rule.make != USER and (reason := self.indexing.find_reason(members, place)):
            return self.make_skipped(reason, rule.make)
        row = build_row(rule, members, place, self.platform, self.is_csv)
        if not is_key(row.get(OWN_KEY[rule.make])):
            row["raw"] = self._raw(text, value, node)
        return row

    def _raw(self, text: str, value: object, node: Any) -> str:
        return text if self.is_csv else find_raw_text(text, value, node)

    def make_skipped(self, reason: str, entity: str) -> Row:
        """The row of what is left out on purpose."""
        return {
            "entity": SKIPPED,
            "record_index": 0,
            "platform": self.platform,
            "reason": reason,
            "skipped_entity": entity,
        }

    def make_rejected(self, rule: str, raw: str) -> Row:
        """The row of what broke a rule as a whole, with its text."""
        return {"entity": "rejected", "record_index": 0, "platform": self.platform, "reason": rule, "raw": raw}
