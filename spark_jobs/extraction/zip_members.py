"""The members of zip archives."""

import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from spark_jobs.extraction.compression import Readable, UnpackedStream
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
from spark_jobs.extraction.other_formats import OFFICE_DOCUMENT, make_format_error

_HEADER = struct.Struct("<4s22xHH")
_HEADER_SIGNATURE = b"PK\x03\x04"
_IS_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members are packed that are read. Python unpacks others in unbounded memory, or not at all; they are rare."""
_OTHER_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd", 99: "AES"}


def list_zip_members(file: BinaryIO) -> Iterator[Member | str]:
    """The members of an archive, in its order; of those that are left alone, what they are.

    Raises BrokenFile for a damaged archive, for a member that cannot be read, and for documents of office programs.
    """
    try:
        archive = zipfile.ZipFile(file)
        infos = archive.infolist()
        is_office = _is_office_document(archive)
    except Exception as error:  # all sorts of errors tell that a directory is damaged
        raise describe_damage("zip", error) from error
    if is_office:
        raise make_format_error(OFFICE_DOCUMENT)
    for info in infos:
        if not info.filename.endswith(("/", "\\")):
            yield _look_at_entry(file, info)


def _is_office_document(archive: zipfile.ZipFile) -> bool:
    names = archive.namelist()
    if "[Content_Types].xml" in names:
        return True
    if "mimetype" not in names:
        return False
    with archive.open("mimetype") as file:
        return file.read(HEAD_BYTES).startswith(b"application/vnd.oasis.opendocument")


def _look_at_entry(file: BinaryIO, info: zipfile.ZipInfo) -> Member | str:
    written = info.filename.replace("\\", "/")
    if stat.S_ISLNK(info.external_attr >> 16):
        return LINK
    if reason := find_reason_to_leave(written):
        return reason
    name = check_name(written)
    if info.flag_bits & _IS_ENCRYPTED:
        raise BrokenFile(0, f"the archive's member {name} is encrypted: unpack it, and put its files into the batch")
    if info.compress_type not in _METHODS:
        method = _OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise BrokenFile(0, f"the archive's member {name} is packed by {method}: pack it by deflate")
    member = Member(name, info.file_size, info.header_offset, info.compress_size, info.compress_type, info.CRC)
    if name.lower().endswith(".js") and is_script(name, open_zip_member(file, member).read(HEAD_BYTES)):
        return SCRIPT
    return member


def open_zip_member(file: BinaryIO, member: Member) -> Readable:
    """The unpacked bytes of a member. Its own header is all that is read beside it, not the directory of the archive.

    Raises BrokenFile, also from a read.
    """
    file.seek(max(member.offset, 0))
    header = file.read(_HEADER.size)
    if member.offset < 0 or len(header) < _HEADER.size or not header.startswith(_HEADER_SIGNATURE):
        raise describe_damage("zip", f"no header of {member.name}")
    _, name_length, extra_length = _HEADER.unpack(header)
    file.seek(name_length + extra_length, 1)
    info = zipfile.ZipInfo(member.name)
    info.compress_type = member.method or zipfile.ZIP_STORED
    info.compress_size, info.file_size, info.CRC = member.packed_size, member.size, member.checksum
    return UnpackedStream(zipfile.ZipExtFile(file, "r", info), None)
