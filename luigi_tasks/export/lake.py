"""Files of the export's folder, in the file system or in an object store: what differs between these is said here."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from luigi_tasks import atomic_files, file_modes
from spark_jobs.storage import Location, ObjectPath


@contextmanager
def create_file(location: Location) -> Iterator["IO[bytes]"]:
    """Open a new file for the block to write. Where the block fails, what it has written so far is left there."""
    if isinstance(location, ObjectPath):
        with location.create() as stream:
            yield stream  # type: ignore[misc]  # a raw stream has all that is used of a file
        return
    location.parent.mkdir(parents=True, exist_ok=True)
    with location.open("xb") as file:
        file_modes.restrict_file(file.fileno())
        yield file
        file.flush()
        os.fsync(file.fileno())
    atomic_files.sync_to_disk(location.parent)


def replace_by_copy(source: Location, target: Location) -> None:
    """Have a file show what another one holds, at once. In a file system both are one file, where it can link them."""
    if isinstance(source, ObjectPath) and isinstance(target, ObjectPath):
        source.copy(target)
        return
    assert isinstance(source, Path) and isinstance(target, Path)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.new")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
        os.replace(unfinished, target)
    except OSError:
        with source.open("rb") as file, atomic_files.open_replacement(target) as output:
            shutil.copyfileobj(file, output)


def write_text(location: Location, text: str) -> None:
    """Write a small file at once, in place of the one before."""
    if isinstance(location, ObjectPath):
        location.write_bytes(text.encode())
    else:
        atomic_files.write_file(location, text)


def list_sizes(folder: Location) -> dict[str, int]:
    """Return the sizes in bytes of all files below a folder, by their paths; nothing where there is no such folder."""
    if isinstance(folder, ObjectPath):
        with suppress(FileNotFoundError):
            return {str(path.relative_to(folder)): status.size for path, status in folder.list_files().items()}
        return {}
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def list_names(folder: Location) -> list[str]:
    """Return the names of what is in a folder; nothing where there is no such folder."""
    with suppress(FileNotFoundError):
        return [path.name for path in folder.iterdir()]
    return []


def delete_file(location: Location) -> None:
    """Delete a file, and its folder where that is empty then."""
    location.unlink()
    if isinstance(location, Path):
        with suppress(OSError):  # it holds more
            location.parent.rmdir()


def delete_folder(folder: Location) -> None:
    """Delete a folder and everything in it."""
    if isinstance(folder, ObjectPath):
        folder.delete_tree()
    else:
        shutil.rmtree(folder)
