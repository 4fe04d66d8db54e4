"""Landing files as streams of unpacked bytes: plain, gzip or bzip2, recognized by their first bytes."""

import bz2
import errno
import gzip
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, Self

from spark_jobs.extraction.errors import BrokenFile

GZIP_MAGIC = b"\x1f\x8b"
BZIP2_MAGIC = b"BZh"


def open_export(path: Path, max_unpacked_bytes: int | None = None) -> BinaryIO:
    """Open a landing file to read its unpacked bytes.

    A compressed file may unpack to `max_unpacked_bytes` (None: to any number). Raises OSError here, and BrokenFile
    from a read of compressed data that is damaged or unpacks to more.
    """
    file = open_regular_file(path)
    magic = file.read(len(BZIP2_MAGIC))
    file.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return _UnpackedStream(gzip.GzipFile(fileobj=file), max_unpacked_bytes)  # type: ignore[return-value, arg-type]  # BinaryIO in all but name
    if magic == BZIP2_MAGIC:
        return _UnpackedStream(bz2.BZ2File(file), max_unpacked_bytes)  # type: ignore[return-value, arg-type]  # the same
    return file


def open_regular_file(path: Path) -> BinaryIO:
    """Open a file. Raises OSError for anything but a regular file: a reader of a pipe would wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "neither a file nor a folder that can be looked into")
    return path.open("rb")


class _UnpackedStream:
    """The unpacked bytes of a compressed file, of which there may be `limit`."""

    def __init__(self, stream: BinaryIO, limit: int | None) -> None:
        self._stream = stream
        self._limit = limit
        self._count = 0

    def read(self, size: int) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise BrokenFile(self._count, f"damaged compressed data ({error})") from error
        self._count += len(chunk)
        if self._limit is not None and self._count > self._limit:
            raise BrokenFile(
                self._limit, f"unpacks to more than the {self._limit:,} bytes that [landing] max_unpacked_bytes allows"
            )
        return chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.close()
