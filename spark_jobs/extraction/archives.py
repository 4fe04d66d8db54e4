"""Archives: the members of zip and tar files are read as files of their batch. Nothing is unpacked to disk.

Pictures, pages and whatever else is no export are left alone, and counted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from spark_jobs.extraction.compression import BZIP2_MAGIC, PACKED_MAGICS, open_regular_file, unpack, unpack_stream
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.members import Member
from spark_jobs.extraction.other_formats import TAR_PLACE, TAR_SIGNATURE, ZIP_SIGNATURES
from spark_jobs.extraction.tar_members import list_tar_members, open_tar_member
from spark_jobs.extraction.zip_members import list_zip_members, open_zip_member
from spark_jobs.storage import Location

HEAD_BYTES = TAR_PLACE + len(TAR_SIGNATURE)
"""How much of a file is looked at to see whether it is an archive."""

_TAR_BZIP2_NAME = re.compile(r"\.(tar\.bz2|tbz2?)$", re.IGNORECASE)


@dataclass(frozen=True)
class Archive:
    """The members to read, by name, and how many others are left alone, by what they are."""

    members: tuple[Member, ...]
    left_alone: Mapping[str, int]


def list_archive(path: Location, max_unpacked_bytes: int | None = None, folder: Path | None = None) -> Archive | None:
    """What is in a zip or tar archive, by content; None for any other file, and for one that cannot be opened.

    The files to read of a zip archive may have `max_unpacked_bytes` together; a packed tar archive may unpack to as
    many as a whole. Raises BrokenFile for one that has more, is damaged, or has no file to read.
    """
    try:
        file = open_regular_file(path, folder)
    except OSError:
        return None  # the reader of the file will say why
    with file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if head.startswith(ZIP_SIGNATURES):
            return _collect_members(list_zip_members(file), max_unpacked_bytes)
        if _is_tar(head):
            return _collect_members(list_tar_members(file), None)
        if _may_be_packed_tar(head, path) and _is_packed_tar(file):
            file.seek(0)
            return _collect_members(list_tar_members(unpack(file, max_unpacked_bytes)), None)
    return None


def open_member(
    path: Location, member: Member, max_unpacked_bytes: int | None = None, folder: Path | None = None
) -> BinaryIO:
    """Open a member of an archive to read its unpacked bytes; one that is packed once more is unpacked, too.

    Raises OSError here, as `open_regular_file` does, and BrokenFile, also from a read, as `open_export` does.
    """
    file = open_regular_file(path, folder)
    try:
        if member.method is None:
            content = open_tar_member(unpack(file, max_unpacked_bytes), member)
        else:
            content = open_zip_member(file, member)
        return unpack_stream(content, max_unpacked_bytes, file)
    except BaseException:
        file.close()
        raise


def _is_tar(head: bytes) -> bool:
    return head[TAR_PLACE:].startswith(TAR_SIGNATURE)


def _may_be_packed_tar(head: bytes, path: Location) -> bool:
    """bzip2 gives its first byte only once it has unpacked a megabyte: there the name has to say what it is."""
    if head.startswith(BZIP2_MAGIC):
        return _TAR_BZIP2_NAME.search(path.name) is not None
    return head.startswith(PACKED_MAGICS)


def _is_packed_tar(file: BinaryIO) -> bool:
    try:
        return _is_tar(unpack(file).read(HEAD_BYTES))
    except BrokenFile:
        return False  # the reader of the file will say why


def _collect_members(found: Iterable[Member | str], max_unpacked_bytes: int | None) -> Archive:
    """The archive of these members; a text says what one is that is left alone."""
    members: dict[str, Member] = {}
    left_alone: Counter[str] = Counter()
    size = 0
    for each in found:
        if isinstance(each, str):
            left_alone[each] += 1
            continue
        if each.name in members:
            raise BrokenFile(0, f"the archive has two members {each.name}: pack the one that counts")
        members[each.name] = each
        size += each.size
        if max_unpacked_bytes is not None and size > max_unpacked_bytes:
            raise BrokenFile(
                max_unpacked_bytes,
                f"unpacks to more than the {max_unpacked_bytes:,} bytes that [landing] max_unpacked_bytes allows",
            )
    if not members:
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(left_alone.items())) or "nothing"
        raise BrokenFile(0, f"an archive without a file to read ({counts} in it); an export without records is []")
    return Archive(tuple(members[name] for name in sorted(members)), dict(left_alone))
