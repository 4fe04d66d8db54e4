"""The landing folder: which batches there are, and whether one has changed."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from luigi_tasks import fingerprints, paths
from luigi_tasks.errors import PipelineError

EXTENSIONS = re.compile(r"(\.(json|jsonl|ndjson|gz|bz2))+$", re.IGNORECASE)
UNFINISHED = (".tmp", ".part")
UNREADABLE = "unreadable: "


@dataclass(frozen=True)
class SourceFile:
    """A landing file as it stood: name below the batch's entry, bytes, time of change (ns), SHA-256 of its content."""

    name: str
    size: int
    mtime_ns: int
    sha256: str

    @property
    def is_readable(self) -> bool:
        return not self.sha256.startswith(UNREADABLE)


def batches() -> list[str]:
    """The names of all batches in the landing folder, in the order of time."""
    return sorted(_entries())


def _entries() -> dict[str, Path]:
    folder = paths.landing()
    try:
        return _listed(folder)
    except FileNotFoundError as error:
        raise PipelineError(
            f"landing folder {folder}: not there; make it, or set [landing] folder in luigi.cfg"
        ) from error
    except OSError as error:
        raise PipelineError(f"landing folder {folder}: cannot be read ({error.strerror}); mend it") from error


@cache
def _listed(folder: Path) -> dict[str, Path]:
    """The entries of a folder by batch name, as they are when a run begins: what comes later is the next run's."""
    found: dict[str, Path] = {}
    for place in sorted(folder.iterdir()):
        if not _is_finished(place.name):
            continue
        name = as_text(EXTENSIONS.sub("", place.name) or place.name)
        if name in found:
            raise PipelineError(
                f"landing folder {folder}: {found[name].name} and {place.name} are both the batch {name}; rename one"
            )
        found[name] = place
    return found


def entry(batch: str) -> Path | None:
    """A batch's file or folder; None once it has left the landing folder."""
    return _entries().get(batch)


def require(names: Iterable[str]) -> None:
    """Raise PipelineError where a batch is not, or no longer, in the landing folder."""
    missing = [name for name in names if entry(name) is None]
    if missing:
        raise PipelineError(
            f"landing folder {paths.landing()}: no batch {', '.join(missing)}; "
            f"expected one of: {', '.join(batches()) or 'none there'}"
        )


def _is_finished(name: str) -> bool:
    return not name.startswith((".", "_")) and not name.endswith(UNFINISHED)


def as_text(name: str) -> str:
    """A name of the file system as tables can hold it: bytes that are not UTF-8 are written `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def files(batch: str) -> dict[str, Path]:
    """A batch's files by name, in the order in which they are read.

    A folder that cannot be looked into, or that is a link, is among them: Extract will find it broken.
    """
    place = entry(batch)
    if place is None:
        return {}
    if not place.is_dir():
        return {as_text(place.name): place}
    found: list[Path] = []
    for folder, folders, names in os.walk(place, onerror=lambda error: found.append(Path(error.filename))):
        folders[:] = [name for name in folders if _is_finished(name)]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found.extend(Path(folder, name) for name in [*filter(_is_finished, names), *links])
    return dict(sorted((as_text(path.relative_to(place).as_posix()), path) for path in found))


def stand(batch: str) -> dict[str, tuple[int, int]]:
    """Size and time of change (ns) of a batch's files, by name; nothing is read."""
    found = {}
    for name, path in files(batch).items():
        try:
            status = path.stat()
            found[name] = (status.st_size, status.st_mtime_ns)
        except OSError:
            found[name] = (0, 0)
    return found


def look(batch: str, known: Sequence[SourceFile]) -> list[SourceFile]:
    """A batch's files as they stand. The content of one whose name, size and time are `known` is not read again.

    A file that cannot be read is one of a content of its own: Extract will find it broken.
    """
    before = {(file.name, file.size, file.mtime_ns): file.sha256 for file in known}
    found = []
    for name, path in files(batch).items():
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a file")
            size, changed = status.st_size, status.st_mtime_ns
            content = before.get((name, size, changed)) or _content(path, size, changed)
        except OSError as error:
            size, changed, content = 0, 0, f"{UNREADABLE}{error.strerror}"
        found.append(SourceFile(name, size, changed, content))
    return found


@lru_cache(maxsize=10_000)
def _content(path: Path, size: int, mtime_ns: int) -> str:
    """The fingerprint of a file's content, read once for each size and time that it has."""
    return fingerprints.of_file(path)


def is_changed(batch: str, before: dict[str, tuple[int, int]], seen: Sequence[SourceFile]) -> bool:
    """Whether a batch's files are no longer, or were not when they were `seen`, what they stood like `before`."""
    stood = {
        file.name: (file.size, file.mtime_ns) if file.is_readable else before.get(file.name, (0, 0)) for file in seen
    }
    return not before == stood == stand(batch)


def fingerprint(found: Sequence[SourceFile]) -> str:
    """Of the names and contents of a batch's files; their times do not count."""
    return fingerprints.of_value([[file.name, file.sha256] for file in found])
