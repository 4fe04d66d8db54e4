"""Storage: objects of a store with the methods of paths."""

import errno
import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from object_store import object_stores

from spark_jobs import storage
from spark_jobs.storage import ObjectPath

STRANGE = "ä ?#%20+&=/[a]*/b.json"


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectPath]:
    with object_stores() as made:
        yield made


@pytest.fixture
def folder(bucket: ObjectPath, request: pytest.FixtureRequest) -> ObjectPath:
    return bucket / request.node.name


def test_object__is_read_from_any_place_as_it_was_written(folder):
    content = os.urandom(storage.READ_BYTES * 2 + 7)
    (folder / STRANGE).write_bytes(content)
    with (folder / STRANGE).open() as file:
        assert (file.read(3), file.seek(storage.READ_BYTES - 1)) == (content[:3], storage.READ_BYTES - 1)
        assert (file.read(), file.seek(-5, os.SEEK_END)) == (content[storage.READ_BYTES - 1 :], len(content) - 5)
        assert file.read(10) == content[-5:]
    assert storage.read_size(folder / STRANGE) == len(content)


def test_object__is_read_by_the_readers_of_compressed_files(folder):
    (folder / "a.gz").write_bytes(gzip.compress(b"text" * 1_000_000))
    with (folder / "a.gz").open() as file, gzip.GzipFile(fileobj=file) as unpacked:
        assert unpacked.read() == b"text" * 1_000_000


def test_location__reaches_another_process_as_text(folder, tmp_path):
    for location in (folder / STRANGE, storage.locate("gs://bucket/a?b"), tmp_path / "a?b"):
        assert storage.read_location(storage.write_location(location)) == location
    assert str(folder / "a").endswith("/a") and "endpoint" not in str(folder)


def test_folder__is_what_names_begin_with(folder):
    assert not folder.exists()
    for name in ("b/c.json", "a.json", "b/d/e.json"):
        (folder / name).write_bytes(b"1")
    assert folder.is_dir() and not folder.is_file() and (folder / "a.json").is_file()
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "b"]
    found = folder.list_files()
    assert sorted(str(path.relative_to(folder)) for path in found) == ["a.json", "b/c.json", "b/d/e.json"]
    assert all(status.size == 1 and abs(time.time() - status.mtime_ns / 1e9) < 60 for status in found.values())
    with pytest.raises(ValueError, match="is not in the subpath of"):
        folder.relative_to(folder / "b")


def test_replace_and_unlink__leave_the_other_objects(folder, tmp_path):
    (tmp_path / "file").write_bytes(b"new")
    (folder / "a").upload(tmp_path / "file")
    (folder / "b").write_bytes(b"old")
    (folder / "a").replace(folder / "b")
    assert ((folder / "a").exists(), (folder / "b").read_bytes()) == (False, b"new")
    (folder / "a").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (folder / "a").unlink()
    (folder / "b").unlink()
    assert not (folder / "b").exists()


def test_status__tells_two_versions_of_one_second_and_size_apart(folder):
    (folder / "a").write_bytes(b"1")
    before = (folder / "a").read_status()
    (folder / "a").write_bytes(b"2")
    assert (folder / "a").read_status().version != before.version != ""


def test_parquet__is_opened_in_a_store_and_in_a_folder(folder, tmp_path):
    table = pa.table({"number": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    (folder / "a.parquet").upload(tmp_path / "a.parquet")
    for place in (folder, tmp_path):
        with storage.open_parquet(place / "a.parquet") as file:
            assert (file.metadata.num_rows, file.read()) == (2, table)


@pytest.mark.parametrize("use", [ObjectPath.read_bytes, ObjectPath.read_status, lambda path: list(path.iterdir())])
def test_missing_object__is_a_missing_file(folder, use):
    with pytest.raises(FileNotFoundError) as raised:
        use(folder / "none")
    assert raised.value.filename == str(folder / "none")


def test_error_of_a_store__is_one_line_with_an_errno(bucket):
    with pytest.raises(OSError, match="AWS Error NO_SUCH_BUCKET") as raised:
        list((storage.locate("s3://no-such-bucket/a", bucket.endpoint, bucket.region)).iterdir())
    assert raised.value.errno == errno.EIO
    assert raised.value.strerror is not None and "\n" not in raised.value.strerror


def test_store__is_used_by_a_fork_beside_its_parent(folder: ObjectPath, tmp_path: Path):
    (folder / "a").write_bytes(b"1" * 1000)
    child = os.fork()
    if child == 0:
        try:
            (folder / "of_child").write_bytes((folder / "a").read_bytes() * 1000)
        finally:
            os._exit(0)
    assert all(len((folder / "a").read_bytes()) == 1000 for _ in range(20))
    os.waitpid(child, 0)
    assert storage.read_size(folder / "of_child") == 1_000_000
