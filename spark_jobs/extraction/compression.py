"""Landing files as streams of unpacked bytes: plain, gzip, bzip2, xz or zstd, recognized by their first bytes."""

import bz2
import errno
import gzip
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.storage import Location, ObjectPath

GZIP_MAGIC = b"\x1f\x8b"
BZIP2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zXZ\0"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPED_MAGICS = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
"""A zstd file may begin with a frame that is skipped; pzstd writes one."""
PACKED_MAGICS = (GZIP_MAGIC, BZIP2_MAGIC, XZ_MAGIC, ZSTD_MAGIC, *ZSTD_SKIPPED_MAGICS)
OPEN_FILE = os.O_RDONLY | os.O_NONBLOCK
"""How a file is opened: without waiting for the writer of a pipe."""
OPEN_FOLDER = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
"""How a folder is opened to go on from there; where the system has O_PATH, that needs no right to list it."""


class Readable(Protocol):
    """What unpacks a file."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def open_export(path: Location, max_unpacked_bytes: int | None = None, folder: Path | None = None) -> BinaryIO:
    """Open a landing file to read its unpacked bytes.

    A compressed file may unpack to `max_unpacked_bytes` (None: to any number). Raises OSError here, as
    `open_regular_file` does, and BrokenFile from a read of compressed data that is damaged or unpacks to more.
    """
    return unpack(open_regular_file(path, folder), max_unpacked_bytes)


def unpack(file: BinaryIO, max_unpacked_bytes: int | None = None) -> BinaryIO:
    """The unpacked bytes of an open file that can go back to its start; the file itself where it is not packed."""
    magic = file.read(len(XZ_MAGIC))
    file.seek(0)
    stream = _open_packed(file, magic)
    return UnpackedStream(stream, max_unpacked_bytes, file) if stream else file  # type: ignore[return-value]  # BinaryIO in all but name


def unpack_stream(content: Readable, max_unpacked_bytes: int | None = None, file: BinaryIO | None = None) -> BinaryIO:
    """The same of a stream, which may be packed or not; `file` is closed with it."""
    magic = content.read(len(XZ_MAGIC))
    whole = PrefixedStream(magic, content)
    packed = _open_packed(whole, magic)  # type: ignore[arg-type]  # it only has to be read
    return UnpackedStream(packed or whole, max_unpacked_bytes if packed else None, file)  # type: ignore[return-value]  # the same


def _open_packed(file: BinaryIO, magic: bytes) -> Readable | None:
    if magic.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=file)
    if magic.startswith(BZIP2_MAGIC):
        return bz2.BZ2File(file)
    if magic.startswith(XZ_MAGIC):
        return lzma.LZMAFile(file)
    if magic.startswith((ZSTD_MAGIC, *ZSTD_SKIPPED_MAGICS)):
        from spark_jobs.extraction.zstd_stream import ZstdStream  # takes as long to import as a small file to read

        return ZstdStream(file)
    return None


def open_regular_file(path: Location, folder: Path | None = None) -> BinaryIO:
    """Open a file. Below `folder` no link is followed (None: links are): none was there when the batch was listed.

    Raises OSError for such a link, and for anything but a regular file.
    """
    if isinstance(path, ObjectPath):
        return path.open()
    descriptor = os.open(path, OPEN_FILE) if folder is None else _open_below(folder, path.relative_to(folder).parts)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "neither a file nor a folder that can be looked into")
    return os.fdopen(descriptor, "rb")


def _open_below(folder: Path, names: Sequence[str]) -> int:
    """Open a file step by step, so that nobody can put a link in its way after a look at it."""
    descriptor = os.open(folder, OPEN_FOLDER)
    for number, name in enumerate(names, 1):
        flags = OPEN_FILE if number == len(names) else OPEN_FOLDER
        try:
            deeper = os.open(name, flags | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


class PrefixedStream:
    """A stream with bytes put back before it."""

    def __init__(self, prefix: bytes, stream: Readable) -> None:
        self._prefix = prefix
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        if not self._prefix:
            return self._stream.read(size)
        chunk, self._prefix = self._prefix[:size], self._prefix[size:]
        return chunk + self._stream.read(size - len(chunk))

    def close(self) -> None:
        self._stream.close()


class UnpackedStream:
    """The unpacked bytes of a compressed file, of which there may be `limit`. The file is closed with it."""

    def __init__(self, stream: Readable, limit: int | None, file: BinaryIO | None = None) -> None:
        self._stream = stream
        self._file = file
        self._limit = limit
        self._count = 0

    def read(self, size: int) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
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
        self.close()

    def close(self) -> None:
        self._stream.close()
        if self._file:
            self._file.close()
