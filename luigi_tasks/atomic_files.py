"""Files that appear whole or not at all, even after a power cut."""

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from luigi_tasks import file_modes
from luigi_tasks.errors import PipelineError

SECONDS_UNTIL_ABANDONED = 3600
"""An unfinished page older than this belongs to a process that was killed: writing one takes seconds."""


@contextmanager
def open_replacement(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` when the block ends well, and is deleted when the block fails.

    A link stays: what it leads to is replaced. Raises OSError for what is there and no file, such as a device.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device, pipe or socket"
        raise OSError(errno.EINVAL, f"{kind}, not a file")
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as output:
            yield output
            output.flush()
            file_modes.restrict_file(descriptor)
            os.fsync(descriptor)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink()
        raise
    sync_to_disk(path.parent)


def write_file(path: Path, text: str) -> None:
    """Write a small file, creating its folder. Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_replacement(path) as output:
        output.write(text.encode())


def write_page(path: Path, page: str, setting: str) -> None:
    """Write a page, creating its folder; `setting` is the luigi.cfg setting that names it.

    Also deletes unfinished pages of killed processes. Raises PipelineError if the page cannot be written.
    """
    try:
        for unfinished in path.parent.glob(f".{path.name}.*"):
            if time.time() - unfinished.stat().st_mtime > SECONDS_UNTIL_ABANDONED:
                unfinished.unlink()
        write_file(path, page)
    except OSError as error:
        raise PipelineError(
            f"{path}: cannot be written ({error.strerror}); make its folder writable, or set {setting} elsewhere"
        ) from error


def sync_to_disk(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
