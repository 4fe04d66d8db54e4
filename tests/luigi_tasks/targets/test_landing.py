"""Which entries of the landing folder are batches, and when one counts as changed."""

import os
from dataclasses import replace

import pytest

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "landing", lambda: tmp_path)
    return tmp_path


def test_list_batches__are_named_without_extensions_and_sorted(folder):
    for name in ("b.json", "a.jsonl.gz", "2026.11.23.JSON", "c d%'.ndjson.bz2", "no extension", ".json.json"):
        (folder / name).touch()
    (folder / "day").mkdir()
    assert landing.list_batches() == ["2026.11.23", "a", "b", "c d%'", "day", "no extension"]


def test_list_batches__leave_alone_what_is_still_being_written(folder):
    for name in (".hidden", "_started", "a.json.tmp", "b.json.part", "c.json"):
        (folder / name).touch()
    assert landing.list_batches() == ["c"]


def test_list_batches__of_one_name_are_an_error(folder):
    (folder / "a.json").touch()
    (folder / "a.json.gz").touch()
    with pytest.raises(PipelineError, match=r"a.json and a.json.gz are both the batch a; rename one"):
        landing.list_batches()


def test_list_source_files__of_a_folder_come_in_the_order_of_their_names(folder):
    for name in ("day/b.json", "day/a/x.json", "day/a.json", "day/.hidden", "day/_tmp/y.json", "day/c.part"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert list(landing.list_source_files("day")) == ["a.json", "a/x.json", "b.json"]


def test_read_source_files__reads_the_content_only_where_name_size_or_time_differ(folder):
    path = folder / "a.json"
    path.write_text("[]")
    seen = landing.read_source_files("a", [])
    known = [replace(seen[0], sha256="as it was")]
    assert landing.read_source_files("a", known)[0].sha256 == "as it was"
    os.utime(path, (1, 1))
    later = landing.read_source_files("a", known)
    assert later[0].sha256 == seen[0].sha256
    assert landing.fingerprint_files(later) == landing.fingerprint_files(seen)


def test_fingerprint_files__differs_when_a_file_is_renamed_changed_or_added(folder):
    (folder / "d").mkdir()
    (folder / "d/a.json").write_text("1")
    prints = [landing.fingerprint_files(landing.read_source_files("d", []))]
    (folder / "d/a.json").rename(folder / "d/b.json")
    prints.append(landing.fingerprint_files(landing.read_source_files("d", [])))
    (folder / "d/b.json").write_text("22")
    prints.append(landing.fingerprint_files(landing.read_source_files("d", [])))
    (folder / "d/c.json").write_text("3")
    prints.append(landing.fingerprint_files(landing.read_source_files("d", [])))
    assert len(set(prints)) == 4


def test_read_source_files__takes_a_file_that_cannot_be_read_for_one_of_another_content(folder):
    path = folder / "a.json"
    path.symlink_to(folder / "nowhere")
    unreadable = landing.read_source_files("a", [])
    assert [file.sha256 for file in unreadable] == ["unreadable: No such file or directory"]
    path.unlink()
    path.write_text("[]")
    assert landing.fingerprint_files(landing.read_source_files("a", [])) != landing.fingerprint_files(unreadable)


def test_has_batch_changed__sees_what_happened_to_a_file_while_it_was_read(folder):
    path = folder / "day" / "a.json"
    path.parent.mkdir()
    path.write_text("{}")
    before, seen = landing.stat_files("day"), landing.read_source_files("day", [])
    assert not landing.has_batch_changed("day", before, seen)
    path.write_text("{ }")
    assert landing.has_batch_changed("day", before, seen), "changed after it was seen"
    assert landing.has_batch_changed("day", before, landing.read_source_files("day", [])), "changed before it was seen"
    (folder / "day" / "b.json").touch()
    assert landing.has_batch_changed("day", landing.stat_files("day"), seen), "there is one more"


def test_has_batch_changed__leaves_out_a_file_that_cannot_be_read(folder, monkeypatch):
    (folder / "a.json").touch()

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(landing.fingerprints, "of_file", refuse)
    before, seen = landing.stat_files("a"), landing.read_source_files("a", [])
    assert [file.is_readable for file in seen] == [False]
    assert not landing.has_batch_changed("a", before, seen)
