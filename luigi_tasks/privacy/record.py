"""The record of processing: what the map of personal data says, by purpose (GDPR, Article 30)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luigi_tasks import config
from luigi_tasks.privacy.privacy_map import ANALYST, NONE, Column, Folder, Handling, Kind, PrivacyMap, Purpose

ENFORCED = (
    "Masks are those of the views in the schema marts, and readers those whom its roles give their rights. "
    "Who reads a folder is up to its file mode."
)
NOT_ENFORCED = (
    "Masks and readers are what the map says. The settings of this project do not enforce all of it: without [privacy] "
    "role_prefix whoever may read a schema reads all of it, and with mask_marts = false the schema marts has no masks. "
    "Who reads a folder is up to its file mode."
)
"""What the record says of the settings."""
HEADER = ("Data", "Categories", "Leads to a person by", "Where", "Readers", "Kept")


@dataclass(frozen=True)
class RecordedData:
    """Data of one kind that is handled in one way. `places`: SCHEMA.TABLE.COLUMN or the setting that names a folder."""

    holds: str
    categories: tuple[str, ...]
    persons: tuple[str, ...]
    places: tuple[str, ...]
    readers: tuple[str, ...]
    mask: str
    keep_days: int | None
    ends: str


@dataclass(frozen=True)
class Processing:
    """All data that is processed for one purpose."""

    purpose: Purpose
    data: tuple[RecordedData, ...]


def is_enforced() -> bool:
    """Whether the settings have roles and masks enforce what the map says of the warehouse."""
    settings = config.read_section(config.privacy)
    return bool(settings.role_prefix) and settings.mask_marts


def make_record(privacy_map: PrivacyMap) -> list[Processing]:
    """Return the purposes in the order of the map, each with its data."""
    return [Processing(purpose, tuple(_list_data(privacy_map, purpose))) for purpose in privacy_map.purposes]


def format_record(record: Sequence[Processing]) -> Iterator[str]:
    """Yield the lines of the record in Markdown: of data that leads to a person, and how much other data there is."""
    yield from ("# Record of processing", "", ENFORCED if is_enforced() else NOT_ENFORCED)
    for processing in record:
        personal = [data for data in processing.data if data.persons != (NONE,)]
        others = sum(len(data.places) for data in processing.data if data not in personal)
        yield from ("", f"## {processing.purpose.title}", "")
        yield f"Legal basis: {_spell(processing.purpose.legal_basis)}. Places of data that lead to no person: {others}."
        if personal:
            yield from ("", _format_row(HEADER), _format_row(["---"] * len(HEADER)))
            yield from (_format_row(_list_cells(data)) for data in personal)


def _list_data(privacy_map: PrivacyMap, purpose: Purpose) -> Iterator[RecordedData]:
    """The data of a purpose, that of one kind together."""
    places: dict[Kind, dict[Handling, list[str]]] = defaultdict(lambda: defaultdict(list))
    entries: list[Column | Folder] = [*privacy_map.columns, *privacy_map.folders]
    for entry in entries:
        if entry.handling.purpose == purpose:
            places[entry.kind][entry.handling].append(_name_place(entry))
    for kind, handlings in places.items():
        for each, names in handlings.items():
            yield RecordedData(
                kind.holds,
                kind.categories,
                kind.persons,
                tuple(names),
                each.readers,
                kind.mask,
                each.keep_days,
                each.ends,
            )


def _name_place(entry: Column | Folder) -> str:
    if isinstance(entry, Column):
        return f"{entry.schema}.{entry.table}.{entry.name}"
    setting, _, folder = entry.name.partition("/")
    section, _, key = setting.partition(".")
    return f"[{section}] {key}" + (f", {folder}" if folder else "")


def _list_cells(data: RecordedData) -> list[str]:
    """The cells of a row, in the order of HEADER."""
    readers = [
        f"{name} ({_spell(data.mask)})" if name == ANALYST and data.mask != NONE else name for name in data.readers
    ]
    limit = "" if data.keep_days is None else f"{data.keep_days:,} days at most; "
    return [
        data.holds,
        ", ".join(data.categories),
        ", ".join(data.persons),
        "; ".join(_group_places(data.places)),
        ", ".join(readers),
        limit + data.ends,
    ]


def _group_places(places: Sequence[str]) -> Iterator[str]:
    """The places, the columns of a table together."""
    columns: dict[str, list[str]] = defaultdict(list)
    for place in places:
        table, _, column = ("", "", "") if place.startswith("[") else place.rpartition(".")
        columns[table or place] += [column] if column else []
    for table, names in columns.items():
        yield f"{table} ({', '.join(names)})" if names else table


def _spell(word: str) -> str:
    return word.replace("_", " ")


def _format_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
