"""Tables: what the TOML files that describe sources say, compiled."""

import copyreg
import re
import tomllib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, TypeVar

from spark_jobs.sources.conditions import compile_conditions
from spark_jobs.sources.errors import TableError
from spark_jobs.sources.expressions import THREAD, Expression, compile_expression, list_texts
from spark_jobs.sources.heads import CSV, JS, JSON_ARRAY, JSON_LINES, JSON_OBJECT
from spark_jobs.sources.indexing import Indexing, Lookup, Thread
from spark_jobs.sources.paths import compile_path
from spark_jobs.sources.recognition import Detection
from spark_jobs.sources.rules import Rule, compile_rule, group_rules
from spark_jobs.sources.source import Source

KINDS = {"json": (JSON_ARRAY, JSON_LINES, JSON_OBJECT), "csv": (CSV,), "js": (JS,)}
"""By the word of a table, the kinds of a head."""
TABLE_KEYS = frozenset(
    {
        *("platform", "title", "native", "names", "detect", "records", "container", "known", "thread", "deletions"),
        *("lookup", "shared", "rows"),
    }
)
DETECT_KEYS = frozenset({"kind", "columns", "any_column", "without", "variable", "when"})
Faults = list[str]
T = TypeVar("T")


@lru_cache(maxsize=256)
def compile_source(name: str, text: str) -> Source:
    """The source that a table describes. Raises TableError with all its faults."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(name, [f"not valid TOML: {error}"]) from error
    faults: Faults = []
    if unknown := sorted(table.keys() - TABLE_KEYS):
        faults.append(f"unknown: {', '.join(unknown)}; a table has {', '.join(sorted(TABLE_KEYS))}")
    source = _Compiler(name, text, table, faults).compile()
    if faults:
        raise TableError(name, faults)
    return source


class _Compiler:
    def __init__(self, name: str, text: str, table: dict[str, Any], faults: Faults) -> None:
        self.name, self.text, self.table, self.faults = name, text, table, faults
        self.paths: dict[str, set[str]] = {}
        self.tops: set[str] = set()
        self.needs: set[str] = set()
        kinds = [each.get("kind", "json") for each in self._list_tables("detect")]
        self.is_csv = "csv" in kinds
        self.is_other = any(kind != "csv" for kind in kinds)

    def compile(self) -> Source:
        """The source, or anything where there are faults."""
        table = self.table
        rule_tables, rules = self._compile_rules()
        thread = self._try("thread", self._compile_thread) if "thread" in table else None
        deletions = (
            self._try("deletions", lambda: self._compile_lookup(table["deletions"])) if "deletions" in table else None
        )
        lookups = [
            (name, lookup)
            for name, each in self._read_table("lookup").items()
            if (lookup := self._try(f"lookup {name}", partial(self._compile_lookup, each))) is not None
        ]
        for need in sorted(self.needs - {name for name, _ in lookups} - {THREAD if thread else ""}):
            self.faults.append(f"it has no {need if need == THREAD else f'[lookup.{need}]'}, which a field needs")
        shared = dict(self._read_table("shared"))
        variables, conditions = shared.pop("variables", []), shared.pop("when", [])
        shared_fields = self._try("shared", lambda: [(name, compile_expression(each)) for name, each in shared.items()])
        if self.is_csv and self.is_other:
            self.faults.append("it is for CSV and for other files; write a table for each, with the same platform")
        if not table.get("native") and not rules:
            self.faults.append("it has no [[rows]]: nothing would become of its records")
        records = self._read_texts("records", table.get("records"))
        return Source(
            name=self.name,
            title=str(table.get("title", self.name)),
            platform=(self._read_texts("platform", table.get("platform")) or (None,))[0],
            table=self.text,
            is_native=bool(table.get("native", False)),
            is_csv=self.is_csv,
            names=self._read_texts("names", table.get("names")),
            detections=self._compile_detections(),
            records=records,
            paths=tuple(self.paths),
            path_entities=tuple(frozenset(entities) for entities in self.paths.values()),
            needs_index=bool(self.needs or deletions or lookups or (thread and thread.get_versions)),
            get_records=self._try("records", lambda: tuple(compile_path(path).get for path in records)) or (),
            container=self._try("container", lambda: compile_conditions(table.get("container", []))) or (),
            groups=self._try("rows", lambda: group_rules(rule_tables, rules)) or (),
            known=frozenset({*self.tops, *self._read_texts("known", table["known"])}) if "known" in table else None,
            indexing=Indexing(thread, deletions, tuple(lookups)),
            shared_variables=frozenset(self._read_texts("shared", variables)),
            shared_conditions=self._try("shared", lambda: compile_conditions(conditions)) or (),
            shared_fields=tuple(shared_fields or ()),
        )

    def _compile_rules(self) -> tuple[list[dict[str, Any]], list[Rule]]:
        tables, rules = [], []
        for number, each in enumerate(self._list_tables("rows"), 1):
            count_path = partial(self._count_path, entity=str(each.get("make")))
            rule = self._try(f"rows {number}", partial(compile_rule, each, count_path, self.is_csv))
            if rule is None:
                continue
            tables.append(each)
            rules.append(rule)
            for _, expression in rule.fields:
                self.tops |= expression.tops
                self.needs |= expression.needs
        return tables, rules

    def _count_path(self, path: str, entity: str) -> int:
        """The place of a path's counter."""
        self.paths.setdefault(path, set()).add(entity)
        return list(self.paths).index(path)

    def _compile_thread(self) -> Thread:
        table = self.table["thread"]
        if not {"key", "parent"} <= table.keys() <= {"key", "parent", "versions"}:
            raise ValueError("it has key and parent, and it may have versions")
        versions = table.get("versions")
        return Thread(
            compile_expression(table["key"]).get,
            compile_expression(table["parent"]).get,
            compile_expression(versions).get if versions else None,
        )

    def _compile_lookup(self, table: dict[str, Any]) -> Lookup:
        if not {"key"} <= table.keys() <= {"key", "value", "when"}:
            raise ValueError("it has key, and it may have value and when")
        value: Expression = compile_expression(table.get("value", table["key"]))
        return Lookup(compile_conditions(table.get("when", [])), compile_expression(table["key"]).get, value.get)

    def _compile_detections(self) -> tuple[Detection, ...]:
        tables = self._list_tables("detect")
        if not tables:
            self.faults.append("it has no [[detect]]: no file would be recognized")
        found = []
        for number, table in enumerate(tables, 1):
            detection = self._try(f"detect {number}", partial(_compile_detection, table))
            if detection is not None:
                found.append(detection)
        return tuple(found)

    def _list_tables(self, name: str) -> list[dict[str, Any]]:
        tables = self.table.get(name, [])
        if isinstance(tables, list) and all(isinstance(each, dict) for each in tables):
            return tables
        self.faults.append(f"{name} is not written as [[{name}]]")
        return []

    def _read_table(self, name: str) -> dict[str, Any]:
        table = self.table.get(name, {})
        if isinstance(table, dict):
            return table
        self.faults.append(f"{name} is not written as [{name}]")
        return {}

    def _read_texts(self, name: str, value: object) -> tuple[str, ...]:
        return self._try(name, partial(list_texts, value)) or ()

    def _try(self, where: str, compile_part: Callable[[], T]) -> T | None:
        try:
            return compile_part()
        except (ValueError, TypeError, AttributeError, KeyError, re.error) as error:
            self.faults.append(f"{where}: {error}")
            return None


def _compile_detection(table: dict[str, Any]) -> Detection:
    if unknown := sorted(table.keys() - DETECT_KEYS):
        raise ValueError(f"unknown: {', '.join(unknown)}; it has {', '.join(sorted(DETECT_KEYS))}")
    kind = table.get("kind", "json")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, not one of {', '.join(KINDS)}")
    if not table.keys() - {"kind", "without"}:
        raise ValueError("every file would look so; say when, columns, any_column or variable")
    texts = list_texts(table.get("when"))
    return Detection(
        frozenset(KINDS[kind]),
        tuple(each.casefold() for each in list_texts(table.get("columns"))),
        tuple(each.casefold() for each in list_texts(table.get("any_column"))),
        tuple(each.casefold() for each in list_texts(table.get("without"))),
        str(table.get("variable", "")),
        tuple(zip(texts, compile_conditions(list(texts)), strict=True)),
    )


def _reduce_source(source: Source) -> tuple[Callable[[str, str], Source], tuple[str, str]]:
    """How a source goes to another process: as the text of its table."""
    return compile_source, (source.name, source.table)


copyreg.pickle(Source, _reduce_source)
