"""Detection: which source a file is of, by its content; names of files only break ties."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePath

from spark_jobs.sources.environment import NO_MEMBERS, Context, Place
from spark_jobs.sources.errors import UnknownSource
from spark_jobs.sources.heads import CSV, JS, Head
from spark_jobs.sources.source import Detection, Source

SHOWN_NAMES = 12
"""Columns or keys that an error shows at most."""


@dataclass(frozen=True)
class _Comparison:
    """How far a file is what a source looks like: what holds, of how much, and what does not."""

    held: int
    wanted: int
    lacking: tuple[str, ...]


def name_columns(header: Sequence[str]) -> list[str]:
    """The names of the columns of a CSV file by which tables find them: trimmed, in lower case, without a byte order
    mark; one that stands twice gets a number."""
    names: list[str] = []
    for column in header:
        name = column.replace("\ufeff", "").strip().casefold()
        same = sum(each == name or each.startswith(f"{name} #") for each in names)
        names.append(f"{name} #{same + 1}" if same else name)
    return names


def detect(head: Head, file_name: str, sources: Sequence[Source]) -> Source:
    """The one source that a file is of. The native format wins wherever it is one, and where a JSON file is no other.

    Raises UnknownSource where none or several match.
    """
    native = next((source for source in sources if source.is_native), None)
    matching = [source for source in sources if looks_like(head, source)]
    if native is not None and (native in matching or (not matching and head.kind not in (CSV, JS))):
        return native
    if len(matching) > 1:
        named = [source for source in matching if _has_name(source, file_name)]
        matching = named if len(named) == 1 else matching
    if len(matching) == 1:
        return matching[0]
    raise UnknownSource(_describe_ambiguity(head, matching) if matching else _describe_unknown(head, sources))


def looks_like(head: Head, source: Source) -> bool:
    """Whether a file looks like one of a source."""
    return any(_compare(detection, head).lacking == () for detection in source.detections)


def _compare(detection: Detection, head: Head) -> _Comparison:
    """The comparison of the head, and of the value in it that comes closest."""
    if head.kind not in detection.kinds:
        return _Comparison(0, 1, (f"it is no {' or '.join(sorted(detection.kinds))}",))
    lacking = []
    columns = frozenset(name_columns(head.columns))
    lacking += [f"column {name}" for name in detection.columns if name not in columns]
    lacking += [f"no column {name}" for name in detection.absent_columns if name in columns]
    if detection.any_columns and columns.isdisjoint(detection.any_columns):
        lacking.append(f"one of the columns {', '.join(detection.any_columns)}")
    if detection.variable and not head.variable.startswith(detection.variable):
        lacking.append(f"a variable {detection.variable}…")
    wanted = len(detection.columns) + len(detection.absent_columns) + bool(detection.any_columns)
    wanted += bool(detection.variable) + len(detection.conditions)
    if detection.conditions:
        closest = [text for text, _ in detection.conditions]
        for value in head.values:
            closest = min(closest, _list_lacking(detection, value), key=lambda each: len(each))
        lacking += closest
    return _Comparison(wanted - len(lacking), wanted, tuple(lacking))


def _list_lacking(detection: Detection, value: object) -> list[str]:
    node = value if isinstance(value, dict) else NO_MEMBERS
    place = Place(node, NO_MEMBERS, Context(0))
    return [text for text, holds in detection.conditions if not holds(node, place)]


def _has_name(source: Source, file_name: str) -> bool:
    name = PurePath(file_name).name.lower()
    return any(fnmatchcase(name, pattern) for pattern in source.names)


def _describe_ambiguity(head: Head, matching: Sequence[Source]) -> str:
    names = " and ".join(source.name for source in matching)
    return f"{_describe_head(head)} is what the sources {names} look like; say in _source.toml which it is"


def _describe_unknown(head: Head, sources: Sequence[Source]) -> str:
    compared = [
        (found.held / max(found.wanted, 1), source.name, found.lacking)
        for source in sources
        for found in [_compare(detection, head) for detection in source.detections]
    ]
    share, name, lacking = max(compared, default=(0.0, "", ()), key=lambda each: (each[0], -len(each[2])))
    closest = f"; the closest is {name}, which wants {', '.join(lacking)}" if share > 0 else ""
    return f"{_describe_head(head)} is what no source looks like{closest}"


def _describe_head(head: Head) -> str:
    if head.kind == CSV:
        return f"CSV with the columns {_join_names(head.columns)}"
    if head.kind == JS:
        return f"JavaScript that assigns to {head.variable}"
    first: dict[str, object] = next((value for value in head.values if isinstance(value, dict)), {})
    return f"a {head.kind.replace('json', 'JSON')} whose first value has the keys {_join_names(list(first))}"


def _join_names(names: Sequence[str]) -> str:
    shown = ", ".join(name.replace("\ufeff", "").strip() for name in names[:SHOWN_NAMES])
    return shown + (f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else "")
