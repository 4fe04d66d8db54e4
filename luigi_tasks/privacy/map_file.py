"""Reads privacy.yml, and that of a dbt project of one's own, and lists everything in them that is no valid map."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy.privacy_map import (
    CATEGORIES,
    LEGAL_BASES,
    MASKS,
    NONE,
    PERSONS,
    READERS,
    Column,
    Folder,
    Handling,
    Kind,
    PrivacyMap,
    Purpose,
)
from luigi_tasks.texts import format_line, format_names
from luigi_tasks.warehouse.schema_names import ETL, RAW_DATA, SCHEMAS

MAP = Path(__file__).with_name("privacy.yml")

OF_A_KIND = ("holds", "categories", "persons", "mask")
HANDLING = ("purpose", "readers", "keep_days", "ends")
SECTIONS = {
    "purposes": ("title", "legal_basis"),
    "kinds": OF_A_KIND,
    "schemas": HANDLING,
    "tables": ("schemas", "columns"),
    "folders": (*(name for name in OF_A_KIND if name != "mask"), *HANDLING),
}
"""By section of the map, what each of its entries says."""
OF_DBT = tuple(schema for schema in SCHEMAS if schema not in (RAW_DATA, ETL))
"""The schemas whose columns the map of a dbt project may list."""
OF_A_TABLE = ("purpose", "keep_days", "ends")
"""What a table may say in place of its schema. Its readers are those of the schema: rights are granted on schemas."""

LISTS = {"categories", "persons", "readers", "schemas"}
TEXTS = {"title", "holds", "ends"}
"""Words whose value is a list, and those whose value is a text; that of all others is one word."""


def find_own_map() -> Path | None:
    """The map of a dbt project of one's own, which may not be there yet; None where the package's project is used."""
    project = paths.dbt_project()
    return None if project == paths.PACKAGED_DBT_PROJECT else project / paths.OWN_MAP


def list_files() -> list[Path]:
    """The files that the map is read from."""
    own = find_own_map()
    return [MAP, own] if own and own.exists() else [MAP]


def read_map() -> PrivacyMap:
    """Read and check the map, with what that of the dbt project adds. Raises PipelineError that lists all faults."""
    return read_files(*list_files())


def read_files(path: Path, own: Path | None = None) -> PrivacyMap:
    """Read and check a map, and that of a dbt project, which may add to it. Raises PipelineError as read_map does."""
    entries = _read_entries(path)
    if own is None:
        return PrivacyMap(
            tuple(entries.purposes.values()), tuple(entries.list_columns()), tuple(entries.list_folders())
        )
    added = _read_entries(own, entries)
    columns = (*entries.list_columns(), *added.list_columns())
    return PrivacyMap(tuple(added.purposes.values()), columns, tuple(entries.list_folders()))


def _read_entries(path: Path, package: "_Entries | None" = None) -> "_Entries":
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PipelineError(f"{path}: cannot be read ({format_line(error)}); fix it") from error
    entries = _Entries(found, package)
    entries.check()
    if entries.faults:
        faults = "; ".join(dict.fromkeys(entries.faults))
        raise PipelineError(f"{path}: the map of personal data is not valid: {faults}; correct it")
    return entries


class _StrictLoader(yaml.SafeLoader):
    """YAML in which no key stands twice: PyYAML would keep the last one and say nothing."""


def _construct_mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    for place, (key, _) in enumerate(node.value):
        if key.value in keys[:place]:
            raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


class _Entries:
    """The entries of a map by section and name, as they were read, and what is wrong with them.

    `package`: the entries of the package's map, to which these only add.
    """

    def __init__(self, found: Any, package: "_Entries | None" = None) -> None:
        self.faults: list[str] = []
        self._package = package
        required, optional = (tuple(SECTIONS), ()) if package is None else (("tables",), ("purposes", "kinds"))
        given = self._check_words("the map", found, required, optional)
        sections = [name for name in SECTIONS if name in required or name in given]
        self._own = {name: self._get_mapping(name, given.get(name, {})) for name in sections}
        before = package._own if package else {}
        self._sections = {name: {**before.get(name, {}), **self._own.get(name, {})} for name in SECTIONS}
        self._words: dict[str, Collection[str]] = {
            "legal_basis": LEGAL_BASES,
            "categories": CATEGORIES,
            "persons": PERSONS,
            "mask": MASKS,
            "readers": READERS,
            "purpose": self._sections["purposes"],
            "schemas": OF_DBT if package else self._sections["schemas"],
        }

    def check(self) -> None:
        """Collect all faults."""
        for section, entries in self._own.items():
            for name, entry in entries.items():
                self._check_entry(section, f"{section}, {format_line(name)}", entry)
        if self.faults:
            return
        used = {kind for entry in self._own["tables"].values() for kind in entry["columns"]}
        for name in [name for name in self._own.get("kinds", {}) if name not in used]:
            self.faults.append(f"kinds, {name}: no column is of this kind")
        if self._package:
            self._check_that_it_adds(self._package)

    def _check_that_it_adds(self, package: "_Entries") -> None:
        """Collect what the package's map says already, be it the same or something else."""
        for section in ("purposes", "kinds"):
            for name in [name for name in self._own.get(section, {}) if name in package._own[section]]:
                self.faults.append(f"{section}, {name}: {MAP.name} of the package has it; use it, or another name")
        known = {(column.schema, column.table, column.name) for column in package.list_columns()}
        for column in self.list_columns():
            if (column.schema, column.table, column.name) in known:
                self.faults.append(
                    f"tables, {column.table}: {MAP.name} of the package has the column "
                    f"{column.schema}.{column.table}.{column.name}; take it out here"
                )

    @cached_property
    def purposes(self) -> dict[str, Purpose]:
        """The purposes of a valid map by name."""
        return {name: Purpose(name, **entry) for name, entry in self._sections["purposes"].items()}

    def list_columns(self) -> Iterator[Column]:
        """The columns of a valid map."""
        kinds = {name: _make_kind(name, entry) for name, entry in self._sections["kinds"].items()}
        for table, entry in self._own["tables"].items():
            for schema in entry["schemas"]:
                handling = self._make_handling({**self._sections["schemas"][schema], **entry})
                for kind, names in entry["columns"].items():
                    for name in _flatten(names):
                        yield Column(schema, table, name, kinds[kind], handling)

    def list_folders(self) -> Iterator[Folder]:
        """The folders of a valid map."""
        for name, entry in self._sections["folders"].items():
            yield Folder(name, _make_kind(name, {**entry, "mask": NONE}), self._make_handling(entry))

    def _make_handling(self, entry: Mapping[str, Any]) -> Handling:
        keep_days = None if entry["keep_days"] == NONE else entry["keep_days"]
        return Handling(self.purposes[entry["purpose"]], tuple(entry["readers"]), keep_days, entry["ends"])

    def _get_mapping(self, where: str, found: Any) -> dict[str, Any]:
        if isinstance(found, dict) and found and all(isinstance(name, str) for name in found):
            return found
        self.faults.append(f"{where}: expected names, each with what it says")
        return {}

    def _check_words(
        self, where: str, found: Any, required: Collection[str], optional: Collection[str] = ()
    ) -> dict[str, Any]:
        """The values of an entry by word, those that are known."""
        entry = self._get_mapping(where, found)
        for word in [word for word in required if entry and word not in entry]:
            self.faults.append(f"{where}: {word} is missing")
        known = [*required, *optional]
        for word in [word for word in entry if word not in known]:
            self.faults.append(f"{where}: {format_line(word)} is not known; expected {format_names(known)}")
        return {word: value for word, value in entry.items() if word in known}

    def _check_entry(self, section: str, where: str, entry: Any) -> None:
        optional = OF_A_TABLE if section == "tables" else ()
        for word, value in self._check_words(where, entry, SECTIONS[section], optional).items():
            if word == "columns":
                self._check_columns(where, value)
            else:
                self._check_value(where, word, value)

    def _check_value(self, where: str, word: str, value: Any) -> None:
        if word == "keep_days":
            if value != NONE and (type(value) is not int or value < 1):
                self.faults.append(f"{where}: keep_days is {format_line(value)}; expected a number of days, or none")
        elif word in TEXTS:
            if not isinstance(value, str) or not value.strip() or "\n" in value.strip():
                self.faults.append(f"{where}: {word} is {format_line(value)}; expected a text in one line")
        elif word in LISTS:
            if not isinstance(value, list) or not value or len(value) > len({repr(each) for each in value}):
                self.faults.append(
                    f"{where}: {word} is {format_line(value)}; expected a list in which nothing stands twice"
                )
                return
            for each in value:
                self._check_word(where, word, each)
            if NONE in value and len(value) > 1:
                self.faults.append(f"{where}: {word} has none and others; expected one or the other")
        else:
            self._check_word(where, word, value)

    def _check_word(self, where: str, word: str, value: Any) -> None:
        expected = self._words[word]
        if not isinstance(value, str) or value not in expected:
            self.faults.append(
                f"{where}: {word} has {format_line(value)}, which is not known; expected {format_names(list(expected))}"
            )

    def _check_columns(self, where: str, value: Any) -> None:
        seen: set[str] = set()
        for kind, names in self._check_words(where, value, (), self._sections["kinds"]).items():
            columns = list(_flatten(names))
            if not columns or not all(isinstance(name, str) for name in columns):
                self.faults.append(f"{where}, {kind}: expected a list of columns")
                continue
            for name in columns:
                if name in seen:
                    self.faults.append(f"{where}: the column {format_line(name)} is listed twice")
                seen.add(name)


def _make_kind(name: str, entry: Mapping[str, Any]) -> Kind:
    return Kind(name, entry["holds"], tuple(entry["categories"]), tuple(entry["persons"]), entry["mask"])


def _flatten(names: Any) -> Iterator[Any]:
    """The names of a list, in which an anchor's list may stand in the place of its names."""
    for name in names if isinstance(names, list) else []:
        if isinstance(name, list):
            yield from _flatten(name)
        else:
            yield name
