"""Files that are there whole or not at all, after a power cut too."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from luigi_tasks.errors import PipelineError

FOR_ITS_OWNER, FOR_ALL_TO_READ = 0o600, 0o644
SECONDS_TO_WRITE = 3600
"""After so many, whoever began a page does not write it any more."""


@contextmanager
def replaced(path: Path, mode: int = FOR_ITS_OWNER) -> Iterator[IO[bytes]]:
    """A file to write beside `path`, only for its owner unless `mode` says otherwise, which takes its place when the
    block ends well, and is gone otherwise."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as output:
            yield output
            output.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink()
        raise
    sync(path.parent)


def write_page(path: Path, page: str, setting: str) -> None:
    """Leave a page for all to read; `setting` is what names its folder, which is made where it is missing.

    What killed writers left beside it goes. Raises PipelineError where that cannot be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in path.parent.glob(f".{path.name}.*"):
            if time.time() - unfinished.stat().st_mtime > SECONDS_TO_WRITE:
                unfinished.unlink()
        with replaced(path, FOR_ALL_TO_READ) as output:
            output.write(page.encode())
    except OSError as error:
        raise PipelineError(
            f"{path}: cannot be written ({error.strerror}); make its folder writable, or set {setting} elsewhere"
        ) from error


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
