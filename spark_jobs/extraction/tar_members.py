"""The members of tar archives, plain or packed as a whole."""

import tarfile
from collections.abc import Iterator
from typing import Any, Self

from spark_jobs.extraction.compression import Readable
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.members import (
    HEAD_BYTES,
    LINK,
    SCRIPT,
    Member,
    check_name,
    describe_damage,
    find_reason_to_leave,
    is_script,
)

LONGEST_READ_BYTES = 16 << 20
"""No header is longer; a damaged one may say that it is."""
_SKIPPED_BYTES = 1 << 20
"""How much is read at a time to get on in a packed archive."""


def list_tar_members(stream: Readable) -> Iterator[Member | str]:
    """The members of an archive, in its order; of those that are left alone, what they are.

    Raises BrokenFile for a damaged archive, and for a member that cannot be read.
    """
    file = ForwardFile(stream)
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_CheckedTarInfo) as archive:  # type: ignore[call-overload]
            while (info := archive.next()) is not None:
                archive.members = []  # as a large archive has many
                if not info.isdir():
                    yield _look_at_entry(file, info)
        while file.read(_SKIPPED_BYTES):
            pass  # a checksum stands at the end
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise describe_damage("tar", error, file.tell()) from error


def _look_at_entry(file: "ForwardFile", info: tarfile.TarInfo) -> Member | str:
    if not info.isfile():
        return LINK
    if reason := find_reason_to_leave(info.name):
        return reason
    name = check_name(info.name)
    if info.issparse():
        raise BrokenFile(
            info.offset_data, f"the archive's member {name} is packed with holes: pack it without --sparse"
        )
    if name.lower().endswith(".js") and is_script(name, file.read(min(info.size, HEAD_BYTES))):
        return SCRIPT
    return Member(name, info.size, info.offset_data)


class _CheckedTarInfo(tarfile.TarInfo):
    """The header of a member. One that is damaged, or missing at the end, is an error and does not end the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # mypy does not know it
            raise
        except tarfile.HeaderError as error:
            raise describe_damage("tar", error, tarfile_.offset) from error


class ForwardFile:
    """A stream with a place in it: what tarfile needs of a file."""

    def __init__(self, stream: Readable, place: int = 0) -> None:
        self._stream = stream
        self._place = place

    def tell(self) -> int:
        return self._place

    def seek(self, place: int) -> int:
        """Go on to a later place, or to the end if that comes first."""
        if place < self._place:
            raise tarfile.ReadError("a header leads back")
        seek: Any = getattr(self._stream, "seek", None)
        if seek is not None:
            self._place = seek(place)
        while self._place < place and self.read(min(_SKIPPED_BYTES, place - self._place)):
            pass
        return self._place

    def read(self, size: int) -> bytes:
        if size > LONGEST_READ_BYTES:
            raise tarfile.ReadError("a header is too long")
        chunk = self._stream.read(size)
        self._place += len(chunk)
        return chunk


class TarMember:
    """The bytes of a member, and where the stream of the archive stands."""

    def __init__(self, stream: Readable, member: Member) -> None:
        self._stream = stream
        self._left = member.size
        self._size = member.size

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, self._left))
        if not chunk and min(size, self._left):
            raise describe_damage("tar", "unexpected end of data", self._size - self._left)
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._stream.close()


def open_tar_member(stream: Readable, member: Member, place: int = 0) -> Readable:
    """The bytes of a member; `place` is where the stream of the unpacked archive stands. Raises BrokenFile, also from a
    read."""
    ForwardFile(stream, place).seek(member.offset)
    return TarMember(stream, member)
