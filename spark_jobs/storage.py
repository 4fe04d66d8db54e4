"""Storage: where folders and files are, in a file system or in an object store, with the same few methods for both.

`pathlib.Path` and `ObjectPath` share these; what differs is said here once. An object store has no folders (a folder is
what the names of objects begin with), no rename, and no unfinished object: one is there once it was written whole.
Credentials come from the environment variables and files of the store's own tools, never from a setting. pyarrow is
imported where it is used: that takes longer than most commands.
"""

import errno
import io
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

if TYPE_CHECKING:
    import pyarrow.parquet as pq

Item = TypeVar("Item")
Result = TypeVar("Result")

SCHEMES = ("s3", "gs")
"""The object stores that are known: Amazon S3, or what speaks its protocol, and Google Cloud Storage."""
READ_BYTES = 4 << 20
"""How much one request reads: a few of them a second are as fast as one connection gets."""
REQUESTS_AT_ONCE = 16
"""Requests that are on their way together, where many files are asked about: each takes some ten milliseconds."""
COPY_BYTES = 8 << 20
"""How much of a file is in memory while it is copied to a store."""
CONNECT_SECONDS = 10
REQUEST_SECONDS = 60
"""How long a store may take to accept a connection, and to go on with an answer; both are then tried again."""


@dataclass(frozen=True, order=True)
class ObjectPath:
    """An object of a store, or the folder of all those whose names begin with its own and a slash.

    `key` is the bucket and the name within, as in `exports/2026/part-1.json`. `endpoint` is the URL of a store that is
    not the provider's own, `region` that of the bucket ("": the store's own).
    """

    scheme: str
    key: str
    endpoint: str = ""
    region: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key}"

    def __truediv__(self, name: str | PurePosixPath) -> Self:
        return replace(self, key=f"{self.key}/{name}")

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> Self:
        return replace(self, key=self.key.rpartition("/")[0])

    def relative_to(self, folder: "ObjectPath") -> PurePosixPath:
        """Return the path below a folder. Raises ValueError where it is not below it."""
        return PurePosixPath(self.key).relative_to(folder.key)

    def exists(self) -> bool:
        from pyarrow.fs import FileType

        return bool(self._read_info().type != FileType.NotFound)

    def is_file(self) -> bool:
        return bool(self._read_info().is_file)

    def is_dir(self) -> bool:
        from pyarrow.fs import FileType

        return bool(self._read_info().type == FileType.Directory)

    def iterdir(self) -> Iterator[Self]:
        """Yield the objects and folders of a folder. Raises FileNotFoundError where there is none."""
        for info in self._list(recursive=False):
            yield replace(self, key=info.path.rstrip("/"))

    def list_files(self) -> dict["ObjectPath", "ObjectStatus"]:
        """Return all objects below a folder, and their status without a version."""
        return {
            replace(self, key=info.path): ObjectStatus(info.size, info.mtime_ns or 0)
            for info in self._list(recursive=True)
            if info.is_file
        }

    def read_status(self) -> "ObjectStatus":
        """Return what tells whether the object is still the same. Raises FileNotFoundError where there is none."""
        info = self._read_info()
        if not info.is_file:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        return ObjectStatus(info.size, info.mtime_ns or 0, self.read_version())

    def read_version(self) -> str:
        """Return what each overwriting changes: the ETag in S3, the generation in Google's. Raises FileNotFoundError
        where there is no such object."""
        with _translate_errors(self), self._connect().open_input_file(self.key) as file:
            found = file.metadata() or {}
        return bytes(found.get("ETag") or found.get("generation") or b"").decode()

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open the object to read its bytes, from any place."""
        assert mode == "rb", mode
        with _translate_errors(self):
            file = self._connect().open_input_file(self.key)
        return io.BufferedReader(_ObjectReader(self, file), READ_BYTES)

    def read_bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    def write_bytes(self, content: bytes) -> None:
        """Write the object, in place of the one before."""
        with _translate_errors(self), self._write() as stream:
            stream.write(content)

    def create(self) -> io.RawIOBase:
        """Open the object to write it, in place of the one before. It is there once the file is closed."""
        with _translate_errors(self):
            return _ObjectWriter(self, self._write())

    def upload(self, file: Path) -> None:
        """Write the object, in place of the one before, from a file."""
        with (
            file.open("rb") as source,
            _translate_errors(self),
            self._write() as stream,
        ):
            shutil.copyfileobj(source, stream, COPY_BYTES)

    def replace(self, target: "ObjectPath") -> None:
        """Move the object to another place of the store: a copy of it, and then it is deleted."""
        with _translate_errors(self):
            self._connect().move(self.key, target.key)

    def copy(self, target: "ObjectPath") -> None:
        """Have the store copy the object, of 5 GB at most, to another place, in place of the one before."""
        with _translate_errors(self):
            self._connect().copy_file(self.key, target.key)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object."""
        try:
            with _translate_errors(self):
                self._connect().delete_file(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def delete_tree(self) -> None:
        """Delete all objects below a folder, if there are any."""
        with suppress(FileNotFoundError), _translate_errors(self):
            self._connect().delete_dir(self.key)

    def open_parquet(self) -> "pq.ParquetFile":
        """Open a Parquet file, of which only what is asked for is read."""
        import pyarrow.parquet as pq

        with _translate_errors(self):
            return pq.ParquetFile(self.key, filesystem=self._connect(), pre_buffer=True)

    def _list(self, recursive: bool) -> list[Any]:
        from pyarrow.fs import FileSelector

        with _translate_errors(self):
            return cast(list[Any], self._connect().get_file_info(FileSelector(self.key, recursive=recursive)))

    def _write(self) -> Any:
        return self._connect().open_output_stream(self.key, compression=None)  # whatever its name ends in

    def _read_info(self) -> Any:
        with _translate_errors(self):
            return self._connect().get_file_info(self.key)

    def _connect(self) -> Any:
        return _connect(self.scheme, self.endpoint, self.region, os.getpid())


Location = Path | ObjectPath
"""A folder or file, in the file system or in a store."""


@dataclass(frozen=True)
class ObjectStatus:
    """What tells whether an object is still the same: its size in bytes, when it was written (ns since 1970; S3 tells
    whole seconds), and its version (see `ObjectPath.read_version`)."""

    size: int
    mtime_ns: int
    version: str = ""


def is_uri(text: str) -> bool:
    """Return whether a setting names an object store rather than a folder."""
    return "://" in text


def locate(uri: str, endpoint: str = "", region: str = "") -> ObjectPath:
    """Return the place that a URI such as s3://bucket/exports names."""
    scheme, _, key = uri.partition("://")
    return ObjectPath(scheme, key.strip("/"), endpoint, region)


def write_location(location: Location) -> str:
    """Return a location as text for another process (see `read_location`)."""
    if isinstance(location, Path):
        return str(location)
    options = urllib.parse.urlencode({"endpoint": location.endpoint, "region": location.region})
    return f"{location}?{options}"


def read_location(text: str) -> Location:
    """Return the location that `write_location` wrote."""
    if not is_uri(text):
        return Path(text)
    uri, _, options = text.rpartition("?")
    return locate(uri, **dict(urllib.parse.parse_qsl(options)))


def write_uri(path: ObjectPath) -> str:
    """Return the URI by which `pyarrow.fs.FileSystem.from_uri` finds an object by itself."""
    url = urllib.parse.urlsplit(path.endpoint)
    options = {"endpoint_override": url.netloc, "scheme": url.scheme, "region": path.region}
    given = {name: value for name, value in options.items() if value}
    return f"{path.scheme}://{urllib.parse.quote(path.key)}?{urllib.parse.urlencode(given)}"


def read_size(location: Location) -> int:
    """Return the size of a file in bytes. Raises OSError where there is none."""
    return location.stat().st_size if isinstance(location, Path) else location.read_status().size


def list_parquet(folder: Location) -> dict[Location, int]:
    """Return the Parquet files of a folder, and their sizes in bytes; none where there is no folder."""
    if isinstance(folder, Path):
        return {path: path.stat().st_size for path in folder.glob("*.parquet")}
    try:
        return {path: found.size for path, found in folder.list_files().items() if path.name.endswith(".parquet")}
    except FileNotFoundError:
        return {}


def open_parquet(location: Location) -> "pq.ParquetFile":
    """Open a Parquet file."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(location) if isinstance(location, Path) else location.open_parquet()


def map_at_once(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return what the work gives for each item, with the requests of many on their way at once.

    The threads are none of an executor: those do not start any more when a run is concluded at the end of its process.
    """
    with ThreadPool(REQUESTS_AT_ONCE) as threads:
        return threads.map(work, items, chunksize=1)


class _ObjectReader(io.RawIOBase):
    """An object as a raw stream whose errors are those of files."""

    def __init__(self, path: ObjectPath, file: Any) -> None:
        self._path = path
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _translate_errors(self._path):
            return int(self._file.readinto(buffer))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()
        super().close()


class _ObjectWriter(io.RawIOBase):
    """An object that is being written, as a raw stream whose errors are those of files."""

    def __init__(self, path: ObjectPath, file: Any) -> None:
        self._path = path
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with _translate_errors(self._path):
            return int(self._file.write(data))

    def close(self) -> None:
        if not self.closed:
            super().close()
            with _translate_errors(self._path):
                self._file.close()


@cache
def _connect(scheme: str, endpoint: str, region: str, process: int) -> Any:
    """Return this process's connections to a store: those of the process that it was forked from are not its own."""
    from pyarrow.fs import GcsFileSystem, S3FileSystem

    url = urllib.parse.urlsplit(endpoint)
    elsewhere = {"endpoint_override": url.netloc, "scheme": url.scheme} if endpoint else {}
    if scheme == "s3":
        of_region = {"region": region} if region else {}
        return S3FileSystem(
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            allow_delayed_open=True,  # a small object takes one request, not three
            **elsewhere,
            **of_region,
        )
    is_anonymous = bool(endpoint) and "GOOGLE_APPLICATION_CREDENTIALS" not in os.environ
    return GcsFileSystem(anonymous=is_anonymous, **elsewhere)


@contextmanager
def _translate_errors(path: ObjectPath) -> Iterator[None]:
    """Raise the errors of a store as OSError with an errno and one line of text, as those of files have."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a name that pyarrow does not take
        text = " ".join(str(error).split())
        number = error.errno if isinstance(error, OSError) else errno.EINVAL
        raise OSError(number or errno.EIO, text[max(0, text.find("AWS Error")) :]) from error
