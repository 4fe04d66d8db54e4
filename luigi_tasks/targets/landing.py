"""The landing folder: lists batches and their files, and fingerprints what they hold."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from luigi_tasks import fingerprints, paths
from luigi_tasks.errors import PipelineError

EXTENSIONS = re.compile(r"(\.(json|jsonl|ndjson|gz|bz2))+$", re.IGNORECASE)
"""Extensions that are not part of a batch's name."""
UNFINISHED = (".tmp", ".part")
"""Extensions of files that an exporter is still writing."""
UNREADABLE = "unreadable: "
"""Takes the place of a file's SHA-256, with the reason after it."""


@dataclass(frozen=True)
class SourceFile:
    """A landing file at one moment: name below the batch's entry, size (bytes), mtime (ns), SHA-256 of its content."""

    name: str
    size: int
    mtime_ns: int
    sha256: str

    @property
    def is_readable(self) -> bool:
        return not self.sha256.startswith(UNREADABLE)


def list_batches() -> list[str]:
    """Return the names of all batches in the landing folder, oldest first: names sort by time.

    Raises PipelineError if the folder is missing or unreadable, or two entries have the same batch name.
    """
    return sorted(_list_entries())


def _list_entries() -> dict[str, Path]:
    folder = paths.landing()
    try:
        return _list_entries_once(folder)
    except FileNotFoundError as error:
        raise PipelineError(
            f"landing folder {folder}: not there; create it, or set [landing] folder in luigi.cfg"
        ) from error
    except OSError as error:
        raise PipelineError(
            f"landing folder {folder}: cannot be read ({error.strerror}); make it readable and run again"
        ) from error


@cache
def _list_entries_once(folder: Path) -> dict[str, Path]:
    """Return the entries of the landing folder by batch name, as of the first call: later files are the next run's."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not _is_finished(path.name):
            continue
        name = decode_name(EXTENSIONS.sub("", path.name) or path.name)
        if name in found:
            raise PipelineError(
                f"landing folder {folder}: {found[name].name} and {path.name} are both the batch {name}; rename one"
            )
        found[name] = path
    return found


def find_entry(batch: str) -> Path | None:
    """Return a batch's file or folder, or None once it has left the landing folder."""
    return _list_entries().get(batch)


def require_batches(names: Iterable[str]) -> None:
    """Raise PipelineError if a batch is not, or no longer, in the landing folder."""
    missing = [name for name in names if find_entry(name) is None]
    if missing:
        raise PipelineError(
            f"landing folder {paths.landing()}: no batch {', '.join(missing)}; "
            f"expected one of: {', '.join(list_batches()) or 'none there'}"
        )


def _is_finished(name: str) -> bool:
    return not name.startswith((".", "_")) and not name.endswith(UNFINISHED)


def decode_name(name: str) -> str:
    """Return a file name as text that the warehouse can store: bytes that are not UTF-8 are written `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def list_source_files(batch: str) -> dict[str, Path]:
    """Return a batch's files by name, in the order in which they are read.

    Folders that cannot be listed and links to folders are included: Extract reports them as broken.
    """
    entry = find_entry(batch)
    if entry is None:
        return {}
    if not entry.is_dir():
        return {decode_name(entry.name): entry}
    found: list[Path] = []
    for folder, folders, names in os.walk(entry, onerror=lambda error: found.append(Path(error.filename))):
        folders[:] = [name for name in folders if _is_finished(name)]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found.extend(Path(folder, name) for name in [*filter(_is_finished, names), *links])
    return dict(sorted((decode_name(path.relative_to(entry).as_posix()), path) for path in found))


def stat_files(batch: str) -> dict[str, tuple[int, int]]:
    """Return size (bytes) and mtime (ns) of a batch's files by name, without reading them; (0, 0) if that fails."""
    found = {}
    for name, path in list_source_files(batch).items():
        try:
            status = path.stat()
            found[name] = (status.st_size, status.st_mtime_ns)
        except OSError:
            found[name] = (0, 0)
    return found


def read_source_files(batch: str, known: Sequence[SourceFile]) -> list[SourceFile]:
    """Return a batch's files with the SHA-256 of their contents.

    A file with the name, size and mtime of a `known` one is not read again. A file that cannot be read gets a
    SHA-256 of UNREADABLE and the reason: Extract reports it as broken.
    """
    hashes = {(file.name, file.size, file.mtime_ns): file.sha256 for file in known}
    found = []
    for name, path in list_source_files(batch).items():
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a file")
            size, mtime_ns = status.st_size, status.st_mtime_ns
            sha256 = hashes.get((name, size, mtime_ns)) or _hash_content(path, size, mtime_ns)
            found.append(SourceFile(name, size, mtime_ns, sha256))
        except OSError as error:
            found.append(SourceFile(name, 0, 0, f"{UNREADABLE}{error.strerror}"))
    return found


@lru_cache(maxsize=10_000)
def _hash_content(path: Path, size: int, mtime_ns: int) -> str:
    """Return the SHA-256 of a file, computed once for each size and mtime."""
    return fingerprints.of_file(path)


def has_batch_changed(batch: str, before: Mapping[str, tuple[int, int]], read: Sequence[SourceFile]) -> bool:
    """Return whether a batch's files differ from `before` (see stat_files), either now or when they were `read`."""
    when_read = {
        file.name: (file.size, file.mtime_ns) if file.is_readable else before.get(file.name, (0, 0)) for file in read
    }
    return not before == when_read == stat_files(batch)


def fingerprint_files(files: Sequence[SourceFile]) -> str:
    """Return a fingerprint of the names and contents of a batch's files; their times do not count."""
    return fingerprints.of_value([[file.name, file.sha256] for file in files])
