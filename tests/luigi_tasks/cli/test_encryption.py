"""Whether the doctor sees encryption at rest, with devices as the kernel describes them."""

import os
from pathlib import Path

import pytest

from luigi_tasks.cli.doctor import encryption
from luigi_tasks.cli.doctor.encryption import NO, UNKNOWN, YES, find_encryption

CRYPT = "CRYPT-LUKS2-2f00d2e1-data"
LVM = "LVM-0b7d"


class Machine:
    """Block devices and mounts; the folder that is asked about is on device 1:1."""

    def __init__(self, place: Path) -> None:
        self.sys, self.devices, self.mounts = place / "sys", place / "dev", place / "mountinfo"
        self.devices.mkdir()
        self.mount("ext4", "/dev/mapper/data")

    def mount(self, kind: str, source: str) -> None:
        """Have the folder be on a file system of this kind."""
        self.mounts.write_text(f"1 0 0:5 / /proc rw - proc proc rw\n2 0 1:1 / /data rw - {kind} {source} rw\n")

    def add(self, number: str, name: str, uuid: str = "", of: tuple[str, ...] = ()) -> None:
        """Add a device: `uuid` where device-mapper made it, `of` the names of those that it consists of."""
        folder = self.sys / name
        (folder / "slaves").mkdir(parents=True)
        for below in of:
            (folder / "slaves" / Path(below).name).symlink_to(self.sys / below)
        if uuid:
            (folder / "dm").mkdir()
            (folder / "dm/uuid").write_text(f"{uuid}\n")
        (self.devices / number).symlink_to(folder)


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    made = Machine(tmp_path)
    number = tmp_path.stat().st_dev
    monkeypatch.setattr(encryption, "DEVICES", made.devices)
    monkeypatch.setattr(encryption, "MOUNTS", made.mounts)
    monkeypatch.setattr(os, "major", lambda device: 1 if device == number else device)
    monkeypatch.setattr(os, "minor", lambda device: 1 if device == number else 0)
    monkeypatch.setattr(encryption, "_is_folder_encrypted", lambda folder: False)
    return made


def test_find_encryption__sees_dm_crypt_itself(machine, tmp_path):
    machine.add("8:0", "sda")
    machine.add("1:1", "dm-0", CRYPT, of=("sda",))
    assert find_encryption(tmp_path) == YES


def test_find_encryption__sees_dm_crypt_below_other_devices(machine, tmp_path):
    machine.add("8:0", "sda")
    machine.add("9:0", "dm-0", CRYPT, of=("sda",))
    machine.add("9:1", "dm-1", LVM, of=("dm-0",))
    machine.add("1:1", "md0", of=("dm-1", "dm-0"))
    assert find_encryption(tmp_path) == YES


def test_find_encryption__is_no_where_one_of_several_disks_is_plain(machine, tmp_path):
    machine.add("8:0", "sda")
    machine.add("9:0", "dm-0", CRYPT, of=("sda",))
    machine.add("1:1", "md0", of=("dm-0", "sda"))
    assert find_encryption(tmp_path) == NO


def test_find_encryption__looks_at_the_disk_of_a_partition(machine, tmp_path):
    machine.add("9:0", "dm-0", CRYPT)
    machine.add("1:1", "dm-0/dm-0p1")
    (machine.sys / "dm-0/dm-0p1/partition").touch()
    assert find_encryption(tmp_path) == YES


def test_find_encryption__is_no_for_a_plain_disk(machine, tmp_path):
    machine.add("1:1", "sda")
    assert find_encryption(tmp_path) == NO


def test_find_encryption__cannot_tell_of_a_file_that_is_a_disk(machine, tmp_path):
    machine.add("1:1", "loop0")
    (machine.sys / "loop0/loop").mkdir()
    assert find_encryption(tmp_path) == UNKNOWN


@pytest.mark.parametrize("kind", ["nfs", "tmpfs", "overlay"])
def test_find_encryption__cannot_tell_without_a_device(machine, tmp_path, kind):
    machine.mount(kind, kind)
    assert find_encryption(tmp_path) == UNKNOWN


def test_find_encryption__cannot_tell_where_devices_may_not_be_looked_at(machine, tmp_path, monkeypatch):
    name_that_no_file_has = "x" * 300  # refused for root, too
    monkeypatch.setattr(encryption, "DEVICES", tmp_path / name_that_no_file_has)
    assert find_encryption(tmp_path) == UNKNOWN


def test_find_encryption__finds_the_device_of_a_file_system_with_a_number_of_its_own(machine, tmp_path):
    machine.mount("btrfs", "/dev/null")
    null = Path("/dev/null").stat().st_rdev
    machine.add(f"{null}:0", "dm-0", CRYPT)
    assert find_encryption(tmp_path) == YES


def test_find_encryption__sees_an_encrypted_folder(machine, tmp_path, monkeypatch):
    machine.add("1:1", "sda")
    machine.mount("ecryptfs", "/home/.ecryptfs")
    assert find_encryption(tmp_path) == YES
    machine.mount("ext4", "/dev/sda")
    assert find_encryption(tmp_path) == NO
    monkeypatch.setattr(encryption, "_is_folder_encrypted", lambda folder: True)
    assert find_encryption(tmp_path) == YES


def test_is_folder_encrypted__asks_the_file_system(tmp_path, monkeypatch):
    asked = []

    def ioctl(handle: int, request: int, argument: bytes) -> bytes:
        asked.append((Path(f"/proc/self/fd/{handle}").readlink(), request))
        return flags.to_bytes(4, "little") + bytes(4)

    monkeypatch.setattr(encryption.fcntl, "ioctl", ioctl)
    flags = 0x80800
    assert encryption._is_folder_encrypted(tmp_path)
    flags = 0x80000
    assert not encryption._is_folder_encrypted(tmp_path)
    assert asked == [(tmp_path, 0x80086601)] * 2
