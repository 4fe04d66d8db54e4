"""The files of one entry of the landing folder: where they are, their status, and why one is not read.

Links are followed to their end, which has to be in the landing folder, or in one that [landing] link_targets names.
Hard links and mounts look like what they lead to: the system itself lets nobody make one to a file that he may not read
(fs.protected_hardlinks), or mount anything without being root.
"""

import fnmatch
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import filterfalse
from pathlib import Path

from luigi_tasks import config, paths
from spark_jobs.storage import Location

LEFT_ALONE = (
    ".* _* "  # hidden, or put aside
    "*.tmp *.temp *.part *.partial *.filepart *.crdownload *.download *.incomplete *.inprogress *.uploading *.aria2 "
    "*.lock *~ ~$* #*# *.swp *.swo *.swx "  # the latter of editors and office programs
    "thumbs.db ehthumbs.db desktop.ini lost+found system?volume?information $recycle.bin #recycle @eadir"
)
"""Names of files and folders that are no exports, as patterns of a shell; capitals do not matter."""
NOT_IN_NAMES = {"Cc", "Zl", "Zp"}
"""Unicode categories of the characters that no name may hold: controls and line ends, which would forge log lines."""


class Refused(Exception):
    """Why a file is not read, in words that follow its name."""


@dataclass(frozen=True)
class FileStatus:
    """What tells quickly whether a file is still the same: size (bytes), mtime and ctime (ns), inode.

    Copies that keep size and mtime (`cp -p`, `rsync -t`) have another ctime, and mostly another inode. An object of a
    store has neither, but a version.
    """

    size: int
    mtime_ns: int
    inode: int = 0
    ctime_ns: int = 0
    version: str = ""


@dataclass(frozen=True)
class LandingFile:
    """A file of a batch as it was found: its name below the batch's entry, and either its status or its fault.

    `path` is where it is, without a link below `folder`: the landing folder, or one of [landing] link_targets.
    """

    name: str
    path: Location
    folder: Path | None
    status: FileStatus | None = None
    fault: str | None = None


def is_left_alone(name: str) -> bool:
    """Return whether a name is that of no export: LEFT_ALONE or [landing] ignore has a pattern for it."""
    more = config.read_section(config.landing).ignore
    return _compile_patterns(more).match(name.casefold()) is not None


@cache
def _compile_patterns(more: str) -> re.Pattern[str]:
    patterns = [*LEFT_ALONE.split(), *filter(None, more.casefold().split(os.pathsep))]
    return re.compile("|".join(map(fnmatch.translate, patterns)))


def format_name(name: str) -> str:
    """Return a file name as text for a log line: bytes that are not UTF-8 and controls are written `\\xff`."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in NOT_IN_NAMES else char for char in text
    )


def find_files(entry: Path) -> list[LandingFile]:
    """Return the files of an entry in the order in which they are read. There is always one at least."""
    try:
        _require_text(entry.name)
        path, folder = _follow(entry)
        if not stat.S_ISDIR(path.lstat().st_mode):
            return [_find_file(entry.name, path, folder)]
    except (OSError, Refused) as error:
        return [make_refused(entry.name, entry, _describe(error))]
    found = sorted(_walk(path, folder), key=lambda file: file.name)
    return found or [make_refused(entry.name, path, "a folder without a file to read; an export without records is []")]


def _walk(entry: Path, folder: Path) -> Iterator[LandingFile]:
    """Yield the files below an entry; a folder that cannot be listed is a file with a fault."""
    failed: list[OSError] = []
    for place, folders, names in os.walk(entry, onerror=failed.append):
        folders[:] = [name for name in folders if not is_left_alone(name)]
        links = [name for name in folders if _is_link(Path(place, name))]
        for name in [*filterfalse(is_left_alone, names), *links]:
            path = Path(place, name)
            yield _find_file(path.relative_to(entry).as_posix(), path, folder)
    for error in failed:
        path = Path(error.filename or entry)
        name = path.name if path == entry else path.relative_to(entry).as_posix()
        yield make_refused(name, path, _describe(error))


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # a folder that may be listed, and not entered
        return False


def _find_file(name: str, path: Path, folder: Path) -> LandingFile:
    try:
        _require_text(name)
        path, folder = _follow(path, folder)
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            raise Refused("a link to a folder, which is not followed inside of a batch: put its files there")
        if not stat.S_ISREG(status.st_mode):
            raise Refused("a pipe, socket or device: put a file there")
    except (OSError, Refused) as error:
        return make_refused(name, path, _describe(error))
    found = FileStatus(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
    return LandingFile(name, path, folder, found)


def make_refused(name: str, path: Location, fault: str) -> LandingFile:
    """Return a file that is not read, and why."""
    return LandingFile(format_name(name), path, None, fault=fault)


def _describe(error: OSError | Refused) -> str:
    return str(error) if isinstance(error, Refused) else f"cannot be read ({error.strerror})"


def _require_text(name: str) -> None:
    """Raise Refused for a name that the warehouse or a log line cannot hold as it is."""
    if os.fsencode(name) != format_name(name).encode():
        raise Refused("its name is not UTF-8, or holds control characters: rename it")


def _follow(path: Path, folder: Path | None = None) -> tuple[Path, Path]:
    """Return where a file is, and the folder that it has to stay in. Raises Refused for a link that leads elsewhere.

    Links are followed to their end; what counts is where that is.
    """
    if not path.is_symlink():
        return path, folder or _find_landing_folder()
    try:
        place = Path(os.path.realpath(path, strict=True))
    except OSError as error:
        raise Refused(f"a link that leads nowhere ({error.strerror}): put the file itself there") from error
    for allowed in _list_allowed_folders():
        if place.is_relative_to(real := os.path.realpath(allowed)):
            return allowed / place.relative_to(real), allowed
    raise Refused(
        f"a link that leads out of the landing folder, to {format_name(str(place))}: put the file itself there, or "
        "name its folder in [landing] link_targets in luigi.cfg"
    )


def _list_allowed_folders() -> list[Path]:
    """The landing folder, and those outside that links may lead to."""
    targets = config.read_section(config.landing).link_targets.split(os.pathsep)
    return [_find_landing_folder(), *(Path(target).absolute() for target in targets if target)]


def _find_landing_folder() -> Path:
    folder = paths.landing()
    assert isinstance(folder, Path), "a store has no links"
    return folder
