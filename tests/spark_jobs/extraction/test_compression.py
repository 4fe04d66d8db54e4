"""Landing files are unpacked whatever their name is, and damage is found."""

import bz2
import gzip
import json
import lzma
import os
import random
import shutil
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from spark_jobs.extraction import json_texts
from spark_jobs.extraction.compression import open_export
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.json_texts import read_texts

UTF8_MARK = b"\xef\xbb\xbf"
PACKERS = [gzip.compress, bz2.compress, lzma.compress, zstandard.compress]


def read_file(path: Path, content: bytes) -> list[bytes]:
    path.write_bytes(content)
    with open_export(path) as stream:
        return [text.content for text in read_texts(stream)]


@pytest.mark.parametrize("name", ["a.json", "a.gz", "a.bz2", "a"])
@pytest.mark.parametrize("compress", [bytes, *PACKERS])
@pytest.mark.parametrize("content", [b'[{"a":1}, {"b":2}]', UTF8_MARK + b'{"a":1}\n{"b":2}\n'])
def test_open_export__knows_how_a_file_is_packed_by_content_whatever_the_name(tmp_path, name, compress, content):
    assert read_file(tmp_path / name, compress(content)) == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize("compress", PACKERS)
def test_open_export__reads_members_that_were_appended(tmp_path, compress):
    assert read_file(tmp_path / "a", compress(b'{"a":1}\n') + compress(b'{"b":2}\n')) == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize("content", [b"", *(pack(b"") for pack in PACKERS)])
def test_open_export__reads_an_empty_file(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with open_export(tmp_path / "a") as stream:
        assert stream.read(1) == b""


@pytest.mark.parametrize("swapped", ["file", "folder", "file two folders down"])
def test_open_export__follows_no_link_below_the_folder_that_it_was_found_in(tmp_path, swapped):
    secret = tmp_path / "secret"
    landing = tmp_path / "landing"
    for folder in (secret, landing / "day" / "hour"):
        folder.mkdir(parents=True)
        (folder / "a.json").write_bytes(b"[]")
    path = landing / "day" / "hour" / "a.json"
    with open_export(path, folder=landing) as stream:
        assert stream.read(9) == b"[]"
    {
        "file": lambda: (path.unlink(), path.symlink_to(secret / "a.json")),
        "folder": lambda: (shutil.rmtree(path.parent), path.parent.symlink_to(secret)),
        "file two folders down": lambda: (shutil.rmtree(landing / "day"), (landing / "day").symlink_to(tmp_path)),
    }[swapped]()
    with pytest.raises(OSError, match=r"Too many levels of symbolic links|Not a directory"):
        open_export(path, folder=landing)


def test_open_export__follows_a_link_in_the_way_to_the_folder(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.json").write_bytes(b"[]")
    (tmp_path / "landing").symlink_to("disk")
    with open_export(tmp_path / "landing" / "a.json", folder=tmp_path / "landing") as stream:
        assert stream.read(9) == b"[]"


def test_open_export__does_not_wait_for_the_writer_of_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    for folder in (None, tmp_path):
        with pytest.raises(OSError, match="neither a file nor a folder"):
            open_export(tmp_path / "a.json", folder=folder)


def verdict(path: Path, content: bytes) -> tuple[int, str]:
    with pytest.raises(BrokenFile) as raised:
        read_file(path, content)
    return raised.value.offset, raised.value.reason


@pytest.mark.parametrize("compress", PACKERS)
def test_open_export__refuses_a_compressed_file_that_is_cut_short(tmp_path, compress):
    content = compress(b'[{"a":1}, {"b":2}]')[:-12]
    reason = "damaged compressed data (Compressed file ended before the end-of-stream marker was reached)"
    assert verdict(tmp_path / "a", content)[1] == reason


def test_open_export__reads_zstd_with_a_window_of_two_gigabytes_and_frames_that_are_skipped(tmp_path):
    window = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=window).compressobj()
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    content = skipped + packer.compress(b'{"a":1}\n') + packer.flush() + skipped + zstandard.compress(b'{"b":2}')
    assert read_file(tmp_path / "a", content) == [b'{"a":1}', b'{"b":2}']


def test_open_export__finds_zstd_that_is_cut_anywhere_within_a_frame(tmp_path):
    content = zstandard.compress(b'{"a":1}\n' * 100)
    for end in range(4, len(content)):
        assert verdict(tmp_path / "a", content[:end])[1].startswith("damaged compressed data (Compressed file ended")
    assert verdict(tmp_path / "a", content + b"garbage")[1].startswith("damaged compressed data (zstd decompress")


def test_open_export__unpacks_a_zstd_bomb_in_bounded_memory(tmp_path):
    packer = zstandard.ZstdCompressor().compressobj()
    zeros = bytes(1 << 20)
    (tmp_path / "a").write_bytes(b"".join(packer.compress(zeros) for _ in range(500)) + packer.flush())
    tracemalloc.start()
    try:
        with open_export(tmp_path / "a", 400 << 20) as stream, pytest.raises(BrokenFile, match="unpacks to more than"):
            while stream.read(1 << 20):
                pass
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_open_export__says_how_far_a_damaged_gzip_could_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(json_texts, "CHUNK_BYTES", 1024)
    numbers = random.Random(1)
    documents = [{"a": numbers.random()} for _ in range(5_000)]
    text = json.dumps(documents).encode()
    packed = bytearray(gzip.compress(text))
    packed[-8] ^= 0xFF  # the checksum
    offset, reason = verdict(tmp_path / "a", bytes(packed))
    assert reason.startswith("damaged compressed data (CRC check failed")
    assert len(text) - 1024 <= offset <= len(text)


def test_open_export__refuses_garbage_after_a_gzip_member(tmp_path):
    content = gzip.compress(b'{"a":1}\n') + b"garbage"
    assert verdict(tmp_path / "a", content)[1] == "damaged compressed data (Not a gzipped file (b'ga'))"
