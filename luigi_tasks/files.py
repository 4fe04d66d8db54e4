"""Files that are there whole or not at all, after a power cut too."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file to write beside `path`, only for its owner, which takes its place when the block ends well, and is gone
    otherwise."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as output:
            yield output
            output.flush()
            os.fsync(descriptor)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink()
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
