"""The landing folder: lists batches and their files, and fingerprints what they hold.

Nothing here raises for a single batch: what is wrong with one is the fault of one of its files, and Audit stops it.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from luigi_tasks import fingerprints, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing_objects
from luigi_tasks.targets.landing_files import (
    FileStatus,
    LandingFile,
    find_files,
    format_name,
    is_left_alone,
    make_refused,
)
from spark_jobs.messages import FileFault
from spark_jobs.storage import Location

EXTENSIONS = re.compile(r"(\.(json|jsonl|ndjson|csv|tsv|js|zip|tar|tgz|tbz2?|txz|gz|bz2|zst|xz))+$", re.IGNORECASE)
"""Extensions that are not part of a batch's name."""
UNREADABLE = "unreadable: "
"""Takes the place of a file's SHA-256, with the fault after it."""


@dataclass(frozen=True)
class SourceFile:
    """A landing file as it was read: name, status (see FileStatus), and the SHA-256 of its content.

    Checkpoints of version 0.1 have no inode and no ctime.
    """

    name: str
    size: int
    mtime_ns: int
    sha256: str
    inode: int = 0
    ctime_ns: int = 0
    version: str = ""

    @property
    def status(self) -> FileStatus:
        return FileStatus(self.size, self.mtime_ns, self.inode, self.ctime_ns, self.version)

    @property
    def fault(self) -> str | None:
        """Why the file could not be read, or None if it could."""
        return self.sha256.removeprefix(UNREADABLE) if self.sha256.startswith(UNREADABLE) else None


def list_batches() -> list[str]:
    """Return the names of all batches in the landing folder, oldest first: names sort by time.

    Raises PipelineError if the folder is missing or unreadable.
    """
    return sorted(_list_entries())


def _list_entries() -> dict[str, list[Location]]:
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
def _list_entries_once(folder: Location) -> dict[str, list[Location]]:
    """Return the entries of the landing folder by batch name, as of the first call: later files are the next run's."""
    found: dict[str, list[Location]] = {}
    for path in sorted(folder.iterdir()) if isinstance(folder, Path) else landing_objects.list_entries(folder):
        if not is_left_alone(path.name):
            found.setdefault(format_name(EXTENSIONS.sub("", path.name) or path.name), []).append(path)
    return found


def find_entry(batch: str) -> Location | None:
    """Return a batch's file or folder, or None once it has left the landing folder: a store is asked once a run."""
    entries = _list_entries().get(batch, ())
    return next((path for path in entries if not isinstance(path, Path) or os.path.lexists(path)), None)


def require_batches(names: Iterable[str]) -> None:
    """Raise PipelineError if a batch was not in the landing folder when the run looked."""
    missing = [name for name in names if name not in _list_entries()]
    if missing:
        raise PipelineError(
            f"landing folder {paths.landing()}: no batch {', '.join(missing)}; "
            f"expected one of: {', '.join(list_batches()) or 'none there'}"
        )


def list_files(batch: str, at_first: bool = False) -> list[LandingFile]:
    """Return a batch's files in the order in which they are read, or, with their faults, those that cannot be.

    There is always one at least, unless the batch was never in the landing folder. `at_first`: objects of a store as
    they were at the first call, which asks for those of all batches at once.
    """
    entries = _list_entries().get(batch, [])
    if len(entries) > 1:
        others = ", ".join(format_name(entry.name) for entry in entries[1:])
        fault = f"of the same batch as {others}: rename all but one, or put them into one folder"
        return [make_refused(entries[0].name, entries[0], fault)]
    return [
        file
        for entry in entries
        for file in (find_files(entry) if isinstance(entry, Path) else landing_objects.find_objects(entry, at_first))
    ]


def read_source_files(files: Sequence[LandingFile], known: Sequence[SourceFile] = ()) -> list[SourceFile]:
    """Return a batch's files with the SHA-256 of their contents.

    A file with the name and status of a `known` one is not read again. One that cannot be read has a fault.
    """
    hashes = {(file.name, file.status): file.sha256 for file in known}
    return [_read_source_file(file, hashes) for file in files]


def _read_source_file(file: LandingFile, hashes: Mapping[tuple[str, FileStatus], str]) -> SourceFile:
    status = file.status
    if status is None:
        return _make_faulty(file.name, str(file.fault))
    try:
        sha256 = hashes.get((file.name, status)) or _hash_content(file.path, status)
    except OSError as error:
        return _make_faulty(file.name, f"cannot be read ({error.strerror})")
    return SourceFile(file.name, status.size, status.mtime_ns, sha256, status.inode, status.ctime_ns, status.version)


def _make_faulty(name: str, fault: str) -> SourceFile:
    """Return a file that could not be read. It differs from the same file once that can be."""
    return SourceFile(name, 0, 0, UNREADABLE + fault)


@lru_cache(maxsize=10_000)
def _hash_content(path: Location, status: FileStatus) -> str:
    """Return the SHA-256 of a file, computed once for each status."""
    return fingerprints.of_file(path)


def note_change(batch: str, before: Sequence[LandingFile], read: Sequence[SourceFile]) -> Sequence[SourceFile]:
    """Return the files as they were `read`, or, where one is not as it was `before`, that one with a fault."""
    changed = {file.name: file for file in before}.items() ^ {file.name: file for file in list_files(batch)}.items()
    if not changed:
        return read
    name = min(name for name, _ in changed)
    return [_make_faulty(name, "changed while it was read: write it as NAME.tmp, and rename it once it is whole")]


def note_unread(read: Sequence[SourceFile], fault: FileFault | None) -> Sequence[SourceFile]:
    """Return the files as they were `read`, that with a fault which a job could not read: the next run tries again."""
    if fault is None or fault.byte_offset is not None:
        return read
    return [
        _make_faulty(file.name, fault.reason) if f"{fault.file}/".startswith(f"{file.name}/") else file for file in read
    ]


def fingerprint_files(files: Sequence[SourceFile]) -> str:
    """Return a fingerprint of the names and contents of a batch's files; their times do not count."""
    return fingerprints.of_value([[file.name, file.sha256] for file in files])
