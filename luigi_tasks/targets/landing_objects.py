"""The landing folder in an object store: what is in it, and what tells whether an object is still the same.

One request lists a thousand objects; their versions take a request each, many at a time.
"""

import logging
from dataclasses import replace
from functools import cache

from luigi_tasks.targets.landing_files import FileStatus, LandingFile, format_name, is_left_alone, make_refused
from spark_jobs.storage import ObjectPath, ObjectStatus, map_at_once

NOT_A_NAME = {"", ".", ".."}
"""Parts of the name of an object that no path can have: pyarrow lists such an object, and cannot open it."""

Objects = dict[ObjectPath, ObjectStatus]

logger = logging.getLogger(__name__)


@cache
def list_objects_once(folder: ObjectPath) -> Objects:
    """Return all objects below the landing folder, as of the first call: later ones are the next run's.

    Raises OSError where the store cannot be asked.
    """
    return folder.list_files()


def list_entries(folder: ObjectPath) -> list[ObjectPath]:
    """Return the objects and folders directly below the landing folder, in the order of their names."""
    names = set()
    for path in list_objects_once(folder):
        name = _name_below(folder, path).split("/")[0]
        if name:
            names.add(name)
        else:
            logger.warning("%s: left alone, as its name has two slashes in a row; rename it", path)
    return sorted(folder / name for name in names)


def find_objects(entry: ObjectPath, at_first: bool) -> list[LandingFile]:
    """Return the objects of an entry in the order in which they are read, as they were at first or are now.

    There is always one at least, of which there may be only its fault.
    """
    found = _find_at_first(entry) if at_first else _read_versions(_list_entry(entry))
    files = [_make_file(entry, path, status) for path, status in found.items() if not _is_left_alone(entry, path)]
    if not files:
        return [make_refused(entry.name, entry, "a folder without a file to read; an export without records is []")]
    return sorted(files, key=lambda file: file.name)


def _list_entry(entry: ObjectPath) -> Objects:
    """The objects of an entry now, without their versions."""
    try:
        found = entry.list_files()
    except FileNotFoundError:
        found = {}
    if entry.is_file():
        found[entry] = entry.read_status()
    return found


def _find_at_first(entry: ObjectPath) -> dict[ObjectPath, ObjectStatus | OSError]:
    """The objects of an entry, as of the first call for any entry."""
    return _read_all_once(entry.parent)[entry.name]


@cache
def _read_all_once(folder: ObjectPath) -> dict[str, dict[ObjectPath, ObjectStatus | OSError]]:
    """All objects below the landing folder with their versions, by the name of their entry."""
    found: dict[str, dict[ObjectPath, ObjectStatus | OSError]] = {}
    for path, status in _read_versions(list_objects_once(folder)).items():
        found.setdefault(_name_below(folder, path).split("/")[0], {})[path] = status
    return found


def _read_versions(objects: Objects) -> dict[ObjectPath, ObjectStatus | OSError]:
    """The status of each object with its version, or why that cannot be read."""
    return dict(map_at_once(lambda item: (item[0], _add_version(*item)), objects.items()))


def _add_version(path: ObjectPath, status: ObjectStatus) -> ObjectStatus | OSError:
    try:
        return replace(status, version=path.read_version())
    except OSError as error:
        return error


def _make_file(entry: ObjectPath, path: ObjectPath, status: ObjectStatus | OSError) -> LandingFile:
    name = path.name if path == entry else _name_below(entry, path)
    if name != format_name(name):
        return make_refused(name, path, "its name holds control characters: rename it")
    if not NOT_A_NAME.isdisjoint(name.split("/")):
        return make_refused(name, path, "its name has an empty part, or one of dots: rename it")
    if isinstance(status, OSError):
        return make_refused(name, path, f"cannot be read ({status.strerror})")
    return LandingFile(name, path, None, FileStatus(status.size, status.mtime_ns, version=status.version))


def _is_left_alone(entry: ObjectPath, path: ObjectPath) -> bool:
    """Whether an object, or a folder that it is in, is no export by its name."""
    parts = _name_below(entry, path).split("/")
    return path != entry and any(is_left_alone(part) for part in parts if part not in NOT_A_NAME)


def _name_below(folder: ObjectPath, path: ObjectPath) -> str:
    """The name of an object below a folder, as it is: a path would leave out what is empty."""
    return path.key.removeprefix(f"{folder.key}/")
