"""The doctor's look at encryption at rest: whether what keeps data of persons lies on an encrypted file system.

It knows dm-crypt (LUKS), also below LVM and partitions, and fscrypt and eCryptfs. What a disk, a hypervisor or a file
server encrypts below that cannot be seen from here.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from luigi_tasks import paths, warehouse
from luigi_tasks.cli.doctor.check import OK, Result

DEVICES = Path("/sys/dev/block")
MOUNTS = Path("/proc/self/mountinfo")
GET_FLAGS = 0x80086601
"""FS_IOC_GETFLAGS of linux/fs.h."""
ENCRYPTED = 0x800
"""FS_ENCRYPT_FL: fscrypt encrypts what lies in the folder."""
MOST_BELOW = 8
"""Layers of devices that are looked through: partition, RAID, LVM, LUKS and the disk are five."""

YES, NO, UNKNOWN = "yes", "no", "cannot tell"


def check_encryption() -> Result:
    """Whether the folders and the embedded warehouse are encrypted at rest, as information."""
    answers: dict[str, list[str]] = {}
    for place in _list_places():
        answers.setdefault(find_encryption(place), []).append(str(place))
    return Result(OK, "; ".join(f"{answer}: {', '.join(places)}" for answer, places in sorted(answers.items())))


def _list_places() -> Iterator[Path]:
    """The folders with data of persons on this machine."""
    home = None if warehouse.is_external() else warehouse.find_embedded_home()
    for place in (paths.landing(), paths.local_state(), paths.logs(), paths.report().parent, paths.export(), home):
        with suppress(OSError):  # what may not be looked at others report
            if isinstance(place, Path) and place.exists():
                yield place


def find_encryption(folder: Path) -> str:
    """YES, NO or UNKNOWN: whether what is written to a folder is encrypted by this machine."""
    number = folder.stat().st_dev
    kind, source = _find_mount(number)
    if kind == "ecryptfs" or _is_folder_encrypted(folder):
        return YES
    with suppress(OSError):  # container engines may hide what the kernel says of devices
        if not _locate(number).exists() and source.startswith("/"):
            number = Path(source).stat().st_rdev  # btrfs has a number of its own, and names its device
    return _look_below(_locate(number))


def _locate(number: int) -> Path:
    """Where the kernel describes a block device."""
    return DEVICES / f"{os.major(number)}:{os.minor(number)}"


def _find_mount(number: int) -> tuple[str, str]:
    """The kind and the source of the file system that has this number; empty where they are not known."""
    with suppress(OSError):
        for line in MOUNTS.read_text().splitlines():
            mount, _, source = line.partition(" - ")
            if mount.split()[2] == f"{os.major(number)}:{os.minor(number)}":
                kind, name = source.split()[:2]
                return kind, name
    return "", ""


def _is_folder_encrypted(folder: Path) -> bool:
    """Whether fscrypt encrypts the folder."""
    with suppress(OSError):  # of a file system without flags
        handle = os.open(folder, os.O_RDONLY)
        try:
            (flags,) = struct.unpack_from("=I", fcntl.ioctl(handle, GET_FLAGS, bytes(8)))
            return bool(flags & ENCRYPTED)
        finally:
            os.close(handle)
    return False


def _look_below(device: Path, layers: int = MOST_BELOW) -> str:
    """Whether a block device, or all that it consists of, is one of dm-crypt."""
    try:
        device = device.resolve(strict=True)
        if (device / "dm/uuid").exists() and (device / "dm/uuid").read_text().startswith("CRYPT-"):
            return YES
        if (device / "loop").exists() or not layers:  # a file on another file system
            return UNKNOWN
        below = sorted((device / "slaves").iterdir()) if (device / "slaves").exists() else []
        if (device / "partition").exists():
            below = [device.parent]
    except OSError:
        return UNKNOWN
    answers = {_look_below(each, layers - 1) for each in below} or {NO}
    return next(answer for answer in (NO, UNKNOWN, YES) if answer in answers)
