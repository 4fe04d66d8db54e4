"""The landing folder in an object store: batches and files as in a folder, and when an object counts as changed."""

import uuid
from collections.abc import Iterator

import pytest
from object_store import object_stores

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing, landing_objects, source_tables
from spark_jobs.storage import ObjectPath, locate


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectPath]:
    with object_stores() as made:
        yield made


@pytest.fixture
def folder(bucket, monkeypatch):
    made = bucket / uuid.uuid4().hex
    monkeypatch.setattr(paths, "landing", lambda: made)
    return made


def put(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"[]")


def name_files(batch):
    return [(file.name, file.fault) for file in landing.list_files(batch)]


def start_another_run():
    landing._list_entries_once.cache_clear()
    landing_objects.list_objects_once.cache_clear()
    landing_objects._read_all_once.cache_clear()


def test_list_batches__are_those_of_a_folder(folder):
    put(folder, "b.json", "a.jsonl.gz", "day/part-2.json", "day/part-1.json", "day/more/c.json")
    put(folder, "_SUCCESS", ".hidden", "c.json.part", "day/_SUCCESS", "day/.x/a.json", "day/_more/a.json")
    assert landing.list_batches() == ["a", "b", "day"]
    assert name_files("day") == [("more/c.json", None), ("part-1.json", None), ("part-2.json", None)]
    assert name_files("b") == [("b.json", None)] == [(f.name, f.fault) for f in landing.list_files("b", at_first=True)]


def test_list_files__of_an_object_and_a_folder_of_one_name_are_both_read(folder):
    put(folder, "a", "a/b.json")
    assert landing.list_batches() == ["a"]
    assert name_files("a") == [("a", None), ("b.json", None)]


def test_list_files__without_one_to_read_is_a_fault(folder):
    put(folder, "a/_SUCCESS")
    assert name_files("a") == [("a", "a folder without a file to read; an export without records is []")]


@pytest.mark.parametrize("name", ["a/./b.json", "a//b.json", "a/../b.json"])
def test_list_files__of_a_name_that_cannot_be_read_is_a_fault(folder, monkeypatch, name):
    put(folder, "a/c.json")
    found = {**folder.list_files(), folder / name: next(iter(folder.list_files().values()))}
    monkeypatch.setattr(ObjectPath, "list_files", lambda _: found)  # pyarrow lists such names, and writes none
    fault = "its name has an empty part, or one of dots: rename it"
    assert ("c.json", None) in name_files("a")
    assert (name.removeprefix("a/"), fault) in name_files("a")


def test_landing_folder__that_begins_with_a_slash_too_many_is_named(folder, monkeypatch, caplog):
    put(folder, "a.json")
    found = {**folder.list_files(), folder / "/b.json": next(iter(folder.list_files().values()))}
    monkeypatch.setattr(ObjectPath, "list_files", lambda _: found)
    assert landing.list_batches() == ["a"]
    assert f"{folder}//b.json: left alone, as its name has two slashes in a row; rename it" in caplog.text


def test_read_source_files__reads_again_what_has_another_version(folder, monkeypatch):
    put(folder, "a.json")
    seen = landing.read_source_files(landing.list_files("a"))
    (folder / "a.json").write_bytes(b"{}")  # within the same second, and as long
    again = landing.read_source_files(landing.list_files("a"), seen)
    assert again[0].sha256 != seen[0].sha256
    monkeypatch.setattr(landing.fingerprints, "of_file", pytest.fail)
    assert landing.read_source_files(landing.list_files("a"), again) == again


def test_note_change__gives_an_object_that_changed_while_it_was_read_a_fault(folder):
    put(folder, "day/a.json", "day/b.json")
    before = landing.list_files("day")
    seen = landing.read_source_files(before)
    assert landing.note_change("day", before, seen) == seen
    put(folder, "day/c.json")
    assert [file.name for file in landing.note_change("day", before, seen)] == ["c.json"]


def test_run__sees_the_folder_as_it_was_when_it_first_looked(folder):
    put(folder, "a.json")
    assert landing.list_batches() == ["a"]
    first = landing.list_files("a", at_first=True)
    put(folder, "b.json")
    (folder / "a.json").write_bytes(b"{}")
    assert (landing.list_batches(), landing.list_files("a", at_first=True)) == (["a"], first)
    start_another_run()
    assert landing.list_batches() == ["a", "b"]
    assert landing.list_files("a", at_first=True) != first


def test_decision__is_read_from_the_store(folder):
    put(folder, "a/b.json", "c.json")
    (folder / "a/_source.toml").write_bytes(b'source = "reddit"')
    landing.list_batches()
    assert source_tables.read_decision(landing.find_entry("a")).source == "reddit"
    assert source_tables.read_decision(landing.find_entry("c")).source == ""


def test_store_that_cannot_be_asked__is_one_sentence(bucket, monkeypatch):
    there_is_none = locate("s3://no-such-bucket/exports", bucket.endpoint, bucket.region)
    monkeypatch.setattr(paths, "landing", lambda: there_is_none)
    with pytest.raises(PipelineError) as raised:
        landing.list_batches()
    assert str(raised.value).startswith(
        "landing folder s3://no-such-bucket/exports: cannot be read (AWS Error NO_SUCH_BUCKET"
    )
