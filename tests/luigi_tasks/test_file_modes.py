"""Who can read what the pipeline leaves: modes and groups of files and folders, whatever the umask was."""

import grp
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from luigi_tasks import atomic_files, config, file_modes, paths
from luigi_tasks.errors import PipelineError

ROOT = os.geteuid() == 0
Settings = Callable[..., None]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The widest; what it was comes back afterwards."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def places(tmp_path, monkeypatch) -> Iterator[Path]:
    """A project's folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config.read_section_once(config.checkpoints), "folder", "data/checkpoints")
    monkeypatch.setattr(config.read_section_once(config.logs), "folder", "data/logs")
    monkeypatch.setattr(config.read_section_once(config.report), "folder", "data/report")
    monkeypatch.setattr(config.read_section_once(config.report), "docs_folder", "data/docs")
    clear()
    yield tmp_path
    clear()


@pytest.fixture
def share(monkeypatch) -> Iterator[Callable[[str], None]]:
    """Names the shared group."""

    def name(group: str) -> None:
        monkeypatch.setattr(config.read_section_once(config.files), "shared_group", group)
        clear()

    yield name
    clear()


def clear() -> None:
    for cached in (file_modes.find_shared_group, paths.local_state):
        cached.cache_clear()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def some_group() -> str:
    """A group that this account may give files to, not its first one where it can choose."""
    groups = [entry for entry in grp.getgrall() if ROOT or entry.gr_gid in os.getgroups()]
    return next((entry.gr_name for entry in groups if entry.gr_gid != os.getegid()), groups[0].gr_name)


def leave(folder: Path) -> list[Path]:
    """What a version before left: open to all."""
    files = [
        folder / "data/checkpoints/clean/b/part.parquet",
        folder / "data/logs/r/x",
        folder / "data/report/index.html",
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a@example.net")
    (folder / "data/logs/r/link").symlink_to(folder)
    return files


def test_new_files__are_the_accounts_alone_whatever_the_umask(places):
    file_modes.restrict_new_files()
    file_modes.prepare_places()
    (places / "file").write_text("")
    with atomic_files.open_replacement(places / "replaced") as output:
        output.write(b"")
    atomic_files.write_page(paths.report(), "<p>", "[report] folder")
    assert {mode(places / name) for name in ("file", "replaced", "data/report/index.html")} == {0o600}
    assert {mode(folder) for folder in (places / "data").iterdir()} == {0o700}
    assert [file_modes.find_fault(place) for place in file_modes.list_places()] == [None] * 4


def test_prepare_places__closes_what_a_version_before_left_open(places):
    files = leave(places)
    outside = mode(places)
    assert "data/logs (mode 0777) is open to other users: chmod 700 " in str(file_modes.find_fault(paths.logs()))
    file_modes.prepare_places()
    assert {mode(file) for file in files} == {0o600}
    assert {mode(file.parent) for file in files} == {0o700}
    assert mode(places) == outside, "a link is not followed"


def test_prepare_places__leaves_a_folder_elsewhere_to_its_owner_but_not_the_page(places, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("www")
    elsewhere.chmod(0o755)
    for name in ("index.html", "of-others.html"):
        (elsewhere / name).write_text("")
    monkeypatch.setattr(config.read_section_once(config.report), "folder", str(elsewhere))
    monkeypatch.setattr(config.read_section_once(config.logs), "folder", str(elsewhere))
    clear()
    file_modes.prepare_places()
    assert (mode(elsewhere), mode(elsewhere / "of-others.html")) == (0o755, 0o666)
    assert mode(elsewhere / "index.html") == 0o600
    assert f"chmod 700 {elsewhere}" in str(file_modes.find_fault(paths.logs()))


def test_shared_group__has_a_share_in_what_was_there_and_in_what_comes(places, share):
    name = some_group()
    share(name)
    files = leave(places)
    file_modes.restrict_new_files()
    assert f"is not set up for the group {name}: chgrp -R {name} " in str(file_modes.find_fault(paths.logs()))
    file_modes.prepare_places()
    new = places / "data/checkpoints/new/folder"
    new.mkdir(parents=True)
    (new / "file").write_text("")
    with atomic_files.open_replacement(places / "replaced") as output:
        output.write(b"")
    found = [*files, new / "file", places / "replaced"]
    assert {(mode(file), file.stat().st_gid) for file in found} == {(0o660, grp.getgrnam(name).gr_gid)}
    assert {mode(folder) for folder in (new, new.parent, files[0].parent, paths.logs())} == {0o2770}
    assert [file_modes.find_fault(place) for place in file_modes.list_places()] == [None] * 4


def test_shared_group__that_does_not_exist_is_named(places, share):
    share("no-such-group")
    with pytest.raises(PipelineError, match=r"section \[files\], key shared_group: there is no group 'no-such-group'"):
        file_modes.prepare_places()


def test_shared_group__that_the_account_is_not_in_is_named(places, share, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    monkeypatch.setattr(os, "getgroups", list)
    monkeypatch.setattr(os, "getegid", lambda: 4321)
    share(some_group())
    with pytest.raises(PipelineError, match="this account is not a member of the group"):
        file_modes.prepare_places()


def test_make_program_folder__is_for_all_accounts(places):
    file_modes.restrict_new_files()
    file_modes.make_program_folder(places / "share" / "java" / "bin")
    assert {mode(places / "share" / name) for name in (".", "java", "java/bin")} == {0o755}
