"""Which files of an entry are read, where they are, and why one is not."""

import os
import socket
from pathlib import Path

import pytest

from luigi_tasks import config, paths
from luigi_tasks.targets.landing_files import find_files, format_name

NO_FILE = "a pipe, socket or device: put a file there"
NO_NAME = "its name is not UTF-8, or holds control characters: rename it"
EMPTY = "a folder without a file to read; an export without records is []"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A landing folder, beside a folder `elsewhere` with a file."""
    monkeypatch.setattr(paths, "landing", lambda: tmp_path / "landing")
    monkeypatch.setattr(config.read_section(config.landing), "link_targets", "")
    (tmp_path / "elsewhere" / "below").mkdir(parents=True)
    (tmp_path / "elsewhere" / "below" / "secret.json").write_text("[]")
    (tmp_path / "landing" / "day").mkdir(parents=True)
    (tmp_path / "landing" / "day" / "good.json").write_text("[]")
    return tmp_path / "landing"


def find_faults(entry: Path) -> list[tuple[str, str | None]]:
    return [(file.name, file.fault) for file in find_files(entry)]


def leads_out(to: Path) -> str:
    return (
        f"a link that leads out of the landing folder, to {to}: put the file itself there, or name its folder in "
        "[landing] link_targets in luigi.cfg"
    )


def leads_nowhere(reason: str) -> str:
    return f"a link that leads nowhere ({reason}): put the file itself there"


def test_find_files__gives_where_a_file_is_and_its_status(folder):
    [file] = find_files(folder / "day")
    status = (folder / "day" / "good.json").stat()
    assert (file.name, file.path, file.folder) == ("good.json", folder / "day" / "good.json", folder)
    found = file.status
    assert (found.size, found.mtime_ns, found.inode, found.ctime_ns) == (
        *(2, status.st_mtime_ns),
        *(status.st_ino, status.st_ctime_ns),
    )


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


ODD = {
    "pipe": (os.mkfifo, NO_FILE),
    "socket": (make_socket, NO_FILE),
    "dangling link": (lambda path: path.symlink_to("nowhere"), leads_nowhere("No such file or directory")),
    "link to itself": (lambda path: path.symlink_to(path), leads_nowhere("Too many levels of symbolic links")),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), leads_out(Path("/dev/zero"))),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("entry", ["odd.json", "day/odd.json"])
def test_find_files__refuses_what_is_no_file(folder, odd, entry):
    make, fault = ODD[odd]
    make(folder / entry)
    assert ("odd.json", fault) in find_faults(folder / entry.split("/")[0])


def test_find_files__refuses_a_device_in_the_folder(folder):
    try:
        os.mknod(folder / "null", 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert find_faults(folder / "null") == [("null", NO_FILE)]


@pytest.mark.parametrize("name", [b"\xff.json", b"tab\there.json", b"line\nend.json", "\u2028.json".encode(), b"\x7f"])
def test_find_files__refuses_a_name_that_is_no_text_of_one_line(folder, name):
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    path.touch()
    assert find_faults(path) == [(format_name(path.name), NO_NAME)]
    assert format_name(path.name).isprintable()
    path.rename(folder / "day" / path.name)
    assert dict(find_faults(folder / "day")) == {"good.json": None, format_name(path.name): NO_NAME}


@pytest.mark.parametrize("name", ["ü 🐎.json", "e\u0301", "back\\slash \\xff", "'; drop table", " ", "é" * 127])
def test_find_files__takes_any_other_name(folder, name):
    (folder / name).touch()
    assert find_faults(folder / name) == [(name, None)]


def test_find_files__refuses_a_folder_that_holds_no_file(folder):
    (folder / "empty").mkdir()
    (folder / "unfinished" / "below").mkdir(parents=True)
    (folder / "unfinished" / "below" / "a.json.tmp").touch()
    assert find_faults(folder / "empty") == [("empty", EMPTY)]
    assert find_faults(folder / "unfinished") == [("unfinished", EMPTY)]


@pytest.mark.parametrize("closed", ["day", "day/closed"])
def test_find_files__refuses_a_folder_that_cannot_be_listed(folder, monkeypatch, closed):
    (folder / "day" / "closed").mkdir()
    scan = os.scandir

    def scandir(path):
        if os.fspath(path).endswith(closed):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert (closed.split("/")[-1], "cannot be read (Permission denied)") in find_faults(folder / "day")


def test_find_files__refuses_an_entry_whose_status_cannot_be_had(folder, monkeypatch):
    def refuse(path, *arguments, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", refuse)
    assert find_faults(folder / "day") == [("day", "cannot be read (Permission denied)")]


# Links


def test_find_files__follows_a_link_within_the_landing_folder_to_its_end(folder):
    (folder / "..data").mkdir()
    (folder / "..data" / "a.json").write_text("[]")
    (folder / "chain").symlink_to("..data/a.json")
    (folder / "day" / "a.json").symlink_to("../chain")
    (folder / "again").symlink_to(folder / "day")
    for entry, name in (("chain", "chain"), ("day", "a.json"), ("again", "a.json")):
        [file] = [file for file in find_files(folder / entry) if file.name == name]
        assert (file.path, file.folder, file.fault) == (folder / "..data" / "a.json", folder, None)


def test_find_files__refuses_links_that_lead_out(folder, tmp_path):
    secret = tmp_path / "elsewhere" / "below" / "secret.json"
    (folder / "file.json").symlink_to(secret)
    (folder / "chain.json").symlink_to("file.json")
    (folder / "relative.json").symlink_to("day/../../elsewhere/below/secret.json")
    (folder / "day" / "below.json").symlink_to(secret)
    (folder / "whole").symlink_to(secret.parent)
    for entry in ("file.json", "chain.json", "relative.json"):
        assert find_faults(folder / entry) == [(entry, leads_out(secret))]
    assert find_faults(folder / "day") == [("below.json", leads_out(secret)), ("good.json", None)]
    assert find_faults(folder / "whole") == [("whole", leads_out(secret.parent))]


def test_find_files__is_not_taken_in_by_a_folder_whose_name_begins_alike(folder, tmp_path):
    (tmp_path / "landing of others").mkdir()
    (tmp_path / "landing of others" / "a.json").touch()
    (folder / "a.json").symlink_to("../landing of others/a.json")
    assert find_faults(folder / "a.json") == [("a.json", leads_out(tmp_path / "landing of others" / "a.json"))]


def test_find_files__follows_links_to_folders_that_luigi_cfg_names(folder, tmp_path, monkeypatch):
    named = tmp_path / "elsewhere"
    monkeypatch.setattr(config.read_section(config.landing), "link_targets", f"/not/there:{named}")
    (folder / "file.json").symlink_to(named / "below" / "secret.json")
    (folder / "whole").symlink_to(named / "below")
    for entry in ("file.json", "whole"):
        [file] = find_files(folder / entry)
        assert (file.path, file.folder, file.fault) == (named / "below" / "secret.json", named, None)
    (named / "below" / "out.json").symlink_to("/dev/null")
    assert ("out.json", leads_out(Path("/dev/null"))) in find_faults(folder / "whole")


def test_find_files__works_where_the_landing_folder_is_a_link_itself(folder, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("landing")
    monkeypatch.setattr(paths, "landing", lambda: tmp_path / "link")
    (folder / "a.json").symlink_to("day/good.json")
    [file] = find_files(tmp_path / "link" / "a.json")
    assert (file.path, file.folder) == (tmp_path / "link" / "day" / "good.json", tmp_path / "link")


def test_find_files__does_not_follow_a_link_to_a_folder_inside_of_a_batch(folder):
    (folder / "day" / "round").symlink_to(folder)
    fault = "a link to a folder, which is not followed inside of a batch: put its files there"
    assert find_faults(folder / "day") == [("good.json", None), ("round", fault)]
