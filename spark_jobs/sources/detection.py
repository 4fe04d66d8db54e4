"""Detection: which source a file is of, by its content; names of files only break ties."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath

from spark_jobs.sources.errors import UnknownSource
from spark_jobs.sources.heads import CSV, JS, Head
from spark_jobs.sources.source import Source

SHOWN_NAMES = 12
"""Columns, keys or files that an error shows at most."""


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
    if matching:
        names = " and ".join(source.name for source in matching)
        raise UnknownSource(f"{_describe_head(head)} looks like {names}; say in _source.toml which source it is")
    raise make_unknown_source(head, sources)


def make_unknown_source(head: Head, sources: Sequence[Source]) -> UnknownSource:
    """The error of a file that is of no source: what it shows, and what the closest source wants."""
    return UnknownSource(f"no source looks like {_describe_head(head)}{_describe_closest(head, sources)}")


def looks_like(head: Head, source: Source) -> bool:
    """Whether a file looks like one of a source."""
    return any(detection.compare(head).lacking == () for detection in source.detections)


def _has_name(source: Source, file_name: str) -> bool:
    name = PurePath(file_name).name.lower()
    return any(fnmatchcase(name, pattern) for pattern in source.names)


def _describe_closest(head: Head, sources: Sequence[Source]) -> str:
    """The source that comes closest, and what it wants; "" where none comes close."""
    compared = [
        (found.held / max(found.wanted, 1), source.name, found.lacking)
        for source in sources
        for found in [detection.compare(head) for detection in source.detections]
    ]
    share, name, lacking = max(compared, default=(0.0, "", ()), key=lambda each: (each[0], -len(each[2])))
    return f"; the closest is {name}, which wants {', '.join(lacking)}" if share > 0 else ""


def _describe_head(head: Head) -> str:
    if head.kind == CSV:
        return f"CSV with the columns {join_names(_trim_names(head.columns))}"
    if head.kind == JS:
        return f"JavaScript that assigns to {head.variable}"
    first: dict[str, object] = next((value for value in head.values if isinstance(value, dict)), {})
    return f"a {head.kind.replace('json', 'JSON')} whose first value has the keys {join_names(_trim_names(first))}"


def _trim_names(names: Iterable[str]) -> list[str]:
    return [name.replace("\ufeff", "").strip() for name in names]


def join_names(names: Sequence[str]) -> str:
    """Names in a sentence, SHOWN_NAMES of them at most."""
    shown = ", ".join(names[:SHOWN_NAMES])
    return shown + (f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else "")
