"""The members of zip and tar archives are read as files; what is no export is left alone, and no path leads out."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.extraction.archives import list_archive, open_member
from spark_jobs.extraction.errors import BrokenFile

TWEETS = b'window.YTD.tweets.part0 = [ {"tweet": {"id": "1"}} ]'
FILES = {
    "data/tweets.js": TWEETS,
    "a.json": b"[]",
    "b.csv": b"x,y\n" * 5000,
    "c.json.gz": gzip.compress(b'{"z": 1}'),
}
LEFT = {
    "data/tweets_media/1.JPG": b"\xff\xd8\xff",
    "Your archive.html": b"<html>",
    "assets/js/main.js": b"!function(e){}",
    "__MACOSX/._a.json": b"\0",
    "data/.DS_Store": b"\0",
}
UNPACKED = {**FILES, "c.json.gz": b'{"z": 1}'}
COUNTS = {"pictures, sounds, videos or pages": 2, "scripts": 1, "hidden files": 2}


def make_zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.mkdir("data")
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def make_tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("data")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


ARCHIVES = {
    "zip": make_zip,
    "zip of stored members": lambda files: make_zip(files, zipfile.ZIP_STORED),
    "tar": make_tar,
    "tar of GNU": lambda files: make_tar(files, tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(make_tar(files)),
    "tar.zst": lambda files: zstandard.compress(make_tar(files)),
}


def read_members(path: Path, limit: int | None = None) -> dict[str, bytes]:
    archive = list_archive(path, limit)
    assert archive is not None
    found = {}
    for member in archive.members:
        with open_member(path, member, limit) as stream:
            found[member.name] = b"".join(iter(lambda stream=stream: stream.read(700), b""))
    return found


def find_fault(path: Path, content: bytes, limit: int | None = None) -> str:
    path.write_bytes(content)
    with pytest.raises(BrokenFile) as broken:
        read_members(path, limit)
    return broken.value.reason


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
def test_archive__gives_its_members_by_name_and_counts_what_it_leaves_alone(tmp_path, make):
    (tmp_path / "any name").write_bytes(make(FILES | LEFT))
    archive = list_archive(tmp_path / "any name")
    assert [member.name for member in archive.members] == sorted(FILES)
    assert archive.left_alone == COUNTS
    assert read_members(tmp_path / "any name") == UNPACKED


def test_archive__of_tar_and_bzip2_is_known_by_its_name(tmp_path):
    for name in ("a.tar.bz2", "a.tbz2"):
        with tarfile.open(tmp_path / name, "w:bz2") as archive:
            archive.addfile(tarfile.TarInfo("./a.json"))
        assert read_members(tmp_path / name) == {"a.json": b""}


@pytest.mark.parametrize("content", [b"", b"[]", gzip.compress(b"[]"), b"\x1f\x8b", zstandard.compress(b"")])
def test_list_archive__is_none_for_other_files(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert list_archive(tmp_path / "a") is None


def test_list_archive__leaves_the_error_to_the_reader_of_a_file_that_is_gone(tmp_path):
    assert list_archive(tmp_path / "gone") is None


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "data/../../a.json", "./../a.json", "..", "C:/a.json"])
def test_archive__with_a_path_that_leads_out_is_refused(tmp_path, make, name):
    reason = find_fault(tmp_path / "a", make({name: b"[]"}))
    assert reason == f"the archive's member {name.removeprefix('./')} leads out of its folder: pack the archive anew"


def test_archive__of_windows_has_folders_too(tmp_path):
    (tmp_path / "a").write_bytes(make_zip({"data\\tweets.json": b"[]"}))
    assert read_members(tmp_path / "a") == {"data/tweets.json": b"[]"}
    assert "leads out" in find_fault(tmp_path / "a", make_zip({"..\\a.json": b"[]"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_archive__has_links_and_devices_that_are_left_alone(tmp_path, kind):
    with tarfile.open(tmp_path / "a", "w") as archive:
        archive.addfile(tarfile.TarInfo("a.json"))
        odd = tarfile.TarInfo("b.json")
        odd.type, odd.linkname = kind, "/etc/passwd"
        archive.addfile(odd)
    archive = list_archive(tmp_path / "a")
    assert [member.name for member in archive.members] == ["a.json"]
    assert archive.left_alone == {"links or devices": 1}


def test_archive__has_links_of_zip_that_are_left_alone(tmp_path):
    info = zipfile.ZipInfo("b.json")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr(info, "/etc/passwd")
    assert list_archive(tmp_path / "a").left_alone == {"links or devices": 1}


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
def test_archive__without_a_file_to_read_is_refused(tmp_path, make):
    reason = "an archive without a file to read ({} in it); an export without records is []"
    assert find_fault(tmp_path / "a", make({"1.png": b""})) == reason.format("1 pictures, sounds, videos or pages")
    assert find_fault(tmp_path / "a", make({})) == reason.format("nothing")


def test_archive__without_any_member_is_refused(tmp_path):
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    assert find_fault(tmp_path / "a", packed.getvalue()).startswith("an archive without a file to read (nothing")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archive__with_two_members_of_one_name_is_refused(tmp_path, kind):
    if kind == "tar":
        with tarfile.open(tmp_path / "made", "w") as archive:
            for name in ("a.json", "./a.json"):
                archive.addfile(tarfile.TarInfo(name))
    else:
        with zipfile.ZipFile(tmp_path / "made", "w") as archive:
            for _ in range(2):
                archive.writestr("a.json", "[]")
    content = (tmp_path / "made").read_bytes()
    assert find_fault(tmp_path / "a", content) == "the archive has two members a.json: pack the one that counts"


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_archive__with_a_control_character_in_a_name_is_refused(tmp_path, make):
    reason = "the name of the archive's member a\\nb.json is not UTF-8, or holds control characters: rename it"
    assert find_fault(tmp_path / "a", make({"a\nb.json": b"[]"})) == reason


def test_archive__with_an_encrypted_member_is_refused(tmp_path):
    content = make_zip({"a.json": b"[]"})
    directory = content.rindex(b"PK\x01\x02")
    content = content[: directory + 8] + b"\1" + content[directory + 9 :]
    reason = "the archive's member a.json is encrypted: unpack it, and put its files into the batch"
    assert find_fault(tmp_path / "a", content) == reason


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_archive__packed_by_another_method_is_refused(tmp_path, method, name):
    reason = f"the archive's member a.json is packed by {name}: pack it by deflate"
    assert find_fault(tmp_path / "a", make_zip({"a.json": b"[]"}, method)) == reason


def test_archive__that_is_a_sparse_tar_is_refused(tmp_path):
    (tmp_path / "holes.json").write_bytes(b"")
    os.truncate(tmp_path / "holes.json", 1 << 20)
    sparse = tarfile.TarInfo("holes.json")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 0
    content = bytearray(sparse.tobuf(tarfile.GNU_FORMAT)) + bytes(1024)
    assert "is packed with holes: pack it without --sparse" in find_fault(tmp_path / "a", bytes(content))


def test_archive__that_unpacks_to_more_than_it_may_is_refused(tmp_path):
    big = {"a.json": b" " * 600, "b.json": b" " * 600, "p.png": b" " * 9000}
    reason = "unpacks to more than the 1,000 bytes that [landing] max_unpacked_bytes allows"
    assert find_fault(tmp_path / "a", make_zip(big), 1000) == reason
    (tmp_path / "a").write_bytes(make_zip(big))
    assert len(read_members(tmp_path / "a", 1200)) == 2, "pictures are not unpacked"
    assert find_fault(tmp_path / "a", gzip.compress(make_tar(big)), 1000) == reason
    (tmp_path / "a").write_bytes(make_tar(big))
    assert len(read_members(tmp_path / "a", 1000)) == 2, "a plain tar archive is as large as it is"
    packed = {"a.json.gz": gzip.compress(b" " * 5000)}
    assert find_fault(tmp_path / "a", make_zip(packed), 1000) == reason


def test_archive__that_says_less_than_it_holds_is_damaged(tmp_path):
    content = make_zip({"a.json": b"[" + b" " * 5000 + b"]"})
    directory = content.rindex(b"PK\x01\x02")
    small = content[: directory + 24] + (9).to_bytes(4, "little") + content[directory + 28 :]
    assert find_fault(tmp_path / "a", small).startswith("damaged compressed data (Bad CRC-32")


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
def test_archive__that_is_cut_short_is_refused_and_never_read_in_part(tmp_path, make):
    content = make({"a.json": b"[]", "b.json": os.urandom(700), "c.json": b"[]"})
    for end in range(600, len(content.rstrip(b"\0")), 100):
        (tmp_path / "a").write_bytes(content[:end])
        try:
            archive = list_archive(tmp_path / "a")
        except BrokenFile:
            continue
        assert archive is None, "then it reads as a damaged file"


def test_archive__of_tar_that_ends_after_a_member_is_cut_short(tmp_path):
    content = make_tar({"a.json": b"[]"}, tarfile.GNU_FORMAT)
    assert find_fault(tmp_path / "a", content[: 3 * 512]) == "damaged tar archive (empty header)"


@pytest.mark.parametrize("name", ARCHIVES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_archive__with_any_damage_is_a_verdict_or_reads(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / "damaged"
    content = bytearray(ARCHIVES[name]({"a.json": b"[]", "data/b.js": TWEETS}))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(4 if "zip" in name else 0, len(content.rstrip(b"\0")) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        if (archive := list_archive(path)) is not None:
            for member in archive.members:
                with open_member(path, member) as stream:
                    while stream.read(1 << 16):
                        pass
    except BrokenFile as broken:
        assert broken.reason


def test_office_documents__are_said_to_be_such(tmp_path):
    for files in (
        {"[Content_Types].xml": b"", "xl/workbook.xml": b""},
        {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b""},
    ):
        assert find_fault(tmp_path / "a", make_zip(files)).startswith(
            "it looks like an Excel workbook or another Office document; "
        )


def test_open_member__reads_a_large_member_in_bounded_memory(tmp_path):
    (tmp_path / "a").write_bytes(make_zip({"a.json": b" " * 30_000_000}))
    member = list_archive(tmp_path / "a").members[0]
    with open_member(tmp_path / "a", member) as stream:
        assert len(stream.read(1000)) == 1000
        assert sum(len(each) for each in iter(lambda: stream.read(1 << 20), b"")) == 29_999_000
