"""Which entries of the landing folder are batches, and when one counts as changed."""

import json
import os
import time
from dataclasses import replace

import pytest

from luigi_tasks import config, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import landing
from luigi_tasks.targets.landing import SourceFile
from luigi_tasks.targets.landing_files import LEFT_ALONE
from spark_jobs.messages import from_json


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


@pytest.mark.parametrize(
    "name",
    [
        *("a.json.filepart", "a.json.crdownload", "A.JSON.TMP", "a.Part", "a.json~", "a.json.swp", "Thumbs.db"),
        *(
            "desktop.ini",
            "Desktop.ini",
            "lost+found",
            "System Volume Information",
            "$RECYCLE.BIN",
            "~$a.xlsx",
            "#a.json#",
        ),
    ],
)
def test_list_batches__leave_alone_what_is_no_export(folder, name):
    (folder / name).touch()
    assert landing.list_batches() == []


@pytest.mark.parametrize("name", ["part", "tmp", "a.json.tmp.gz", "a~b", "swp.json", "thumbs.db.json", "a.partial2"])
def test_list_batches__take_names_that_only_resemble_those_that_are_left_alone(folder, name):
    (folder / name).touch()
    assert len(landing.list_batches()) == 1


def test_list_batches__leave_alone_what_the_setting_says(folder, monkeypatch):
    monkeypatch.setattr(config.read_section(config.landing), "ignore", "*.BAK:copy of *:[z-a]:")
    for name in ("a.json.bak", "Copy of a.json", "b.json", "c.tmp"):
        (folder / name).touch()
    assert landing.list_batches() == ["b"]


def test_manual__lists_the_names_that_are_left_alone():
    manual = (paths.PROJECT / "docs/operating.md").read_text(encoding="utf-8")
    listed = manual.split("### What is left alone")[1].split("```text")[1].split("```")[0]
    assert listed.split() == LEFT_ALONE.split()


def test_list_files__of_two_entries_of_one_name_is_the_fault_of_that_batch_alone(folder):
    for name in ("a.json", "a.json.gz", "b.json"):
        (folder / name).touch()
    assert landing.list_batches() == ["a", "b"]
    fault = "of the same batch as a.json.gz: rename all but one, or put them into one folder"
    assert [(file.name, file.fault) for file in landing.list_files("a")] == [("a.json", fault)]
    assert [(file.name, file.fault) for file in landing.list_files("b")] == [("b.json", None)]


def read(batch, known=()):
    return landing.read_source_files(landing.list_files(batch), known)


def replace_keeping_size_and_time(path, text):
    """As `rsync -t` does."""
    status = path.stat()
    assert len(text) == status.st_size
    new = path.with_name(".new")
    new.write_text(text)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.rename(path)


def overwrite_keeping_size_and_time(path, text):
    """As `cp -p` does."""
    status = path.stat()
    assert len(text) == status.st_size
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("replace_file", [replace_keeping_size_and_time, overwrite_keeping_size_and_time])
def test_read_source_files__reads_a_corrected_file_of_the_same_size_and_time(folder, replace_file):
    (folder / "a.json").write_text("[1]")
    seen = read("a")
    time.sleep(0.01)  # longer than the clock of the file system needs
    replace_file(folder / "a.json", "[2]")
    assert (folder / "a.json").stat().st_mtime_ns == seen[0].mtime_ns
    assert read("a", seen)[0].sha256 != seen[0].sha256


def test_read_source_files__reads_the_content_only_where_name_or_status_differ(folder):
    path = folder / "a.json"
    path.write_text("[]")
    seen = read("a")
    known = [replace(seen[0], sha256="as it was")]
    assert read("a", known)[0].sha256 == "as it was"
    os.utime(path, (1, 1))
    later = read("a", known)
    assert later[0].sha256 == seen[0].sha256
    assert landing.fingerprint_files(later) == landing.fingerprint_files(seen)


def test_read_source_files__reads_a_file_that_was_recorded_without_inode_and_ctime(folder):
    (folder / "a.json").write_text("[]")
    seen = read("a")
    recorded = [from_json(SourceFile, json.dumps({"name": "a.json", "size": 2, "mtime_ns": 1, "sha256": "old"}))]
    assert (recorded[0].inode, recorded[0].ctime_ns) == (0, 0)
    assert read("a", recorded) == seen


def test_fingerprint_files__differs_when_a_file_is_renamed_changed_or_added(folder):
    (folder / "d").mkdir()
    (folder / "d/a.json").write_text("1")
    prints = [landing.fingerprint_files(read("d"))]
    (folder / "d/a.json").rename(folder / "d/b.json")
    prints.append(landing.fingerprint_files(read("d")))
    (folder / "d/b.json").write_text("22")
    prints.append(landing.fingerprint_files(read("d")))
    (folder / "d/c.json").write_text("3")
    prints.append(landing.fingerprint_files(read("d")))
    assert len(set(prints)) == 4


def test_read_source_files__takes_a_file_that_cannot_be_read_for_one_of_another_content(folder):
    path = folder / "a.json"
    path.symlink_to(folder / "nowhere")
    unreadable = read("a")
    fault = "a link that leads nowhere (No such file or directory): put the file itself there"
    assert [(file.sha256, file.fault) for file in unreadable] == [(f"unreadable: {fault}", fault)]
    path.unlink()
    path.write_text("[]")
    assert landing.fingerprint_files(read("a")) != landing.fingerprint_files(unreadable)


def test_read_source_files__gives_a_file_that_may_not_be_read_its_fault(folder, monkeypatch):
    (folder / "a.json").touch()

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(landing.fingerprints, "of_file", refuse)
    assert [file.fault for file in read("a")] == ["cannot be read (Permission denied)"]


def test_note_change__gives_a_file_that_changed_while_it_was_read_a_fault(folder):
    path = folder / "day" / "a.json"
    path.parent.mkdir()
    (folder / "day" / "b.json").touch()
    path.write_text("{}")
    before, seen = landing.list_files("day"), read("day")
    assert landing.note_change("day", before, seen) == seen
    fault = "changed while it was read: write it as NAME.tmp, and rename it once it is whole"

    def assert_changed(name):
        assert [(file.name, file.fault) for file in landing.note_change("day", before, seen)] == [(name, fault)]

    path.write_text("{ }")
    assert_changed("a.json")
    before = landing.list_files("day")
    (folder / "day" / "c.json").touch()
    assert_changed("c.json")
    (folder / "day" / "c.json").unlink()
    (folder / "day" / "b.json").unlink()
    assert_changed("b.json")


def test_find_entry__is_gone_once_it_has_left_the_landing_folder(folder):
    (folder / "a.json").symlink_to("nowhere")
    assert landing.find_entry("a") == folder / "a.json"
    (folder / "a.json").unlink()
    assert landing.find_entry("a") is None
    landing.require_batches(["a"])
    with pytest.raises(PipelineError, match=r"no batch b; expected one of: a"):
        landing.require_batches(["a", "b"])
