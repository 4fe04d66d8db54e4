"""What stands on the disk, and in which order: a power cut may come at any time."""

import os
from pathlib import Path

import pytest

from luigi_tasks import atomic_files, paths
from luigi_tasks.targets.checkpoint import CheckpointTarget, audit_checkpoint

Calls = list[tuple[str, ...]]


@pytest.fixture
def calls(monkeypatch) -> Calls:
    """What was synced and renamed since then: ("sync", path) and ("rename", from, to), in order."""
    found: Calls = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def recorded(name, original):
        def move(source, target):
            found.append((name, str(source), str(target)))
            original(source, target)

        return move

    def recorded_fsync(descriptor):
        found.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded("rename", rename))
    monkeypatch.setattr(os, "replace", recorded("rename", replace))
    return found


@pytest.fixture
def target(tmp_path, monkeypatch) -> CheckpointTarget:
    monkeypatch.setattr(paths, "checkpoint", lambda stage, batch: tmp_path / "checkpoints" / stage / batch)
    return audit_checkpoint("b")


def publish(target: CheckpointTarget, staging: Path) -> None:
    built = staging / "users"
    built.mkdir(parents=True)
    (built / "part-0.parquet").write_bytes(b"rows")
    target.publish(staging, {"users": built}, {}, fault=None)


def test_publish__has_all_on_the_disk_before_the_checkpoint_appears(target, tmp_path, calls):
    publish(target, tmp_path / "staging")
    appears = next(place for place, call in enumerate(calls) if call[0] == "rename" and call[2] == str(target.folder))
    unfinished = calls[appears][1]
    assert not unfinished.startswith(str(target.folder.parent))
    assert set(calls[:appears]) >= {
        ("sync", f"{unfinished}/users/part-0.parquet"),
        ("sync", f"{unfinished}/users"),
        ("sync", f"{unfinished}/manifest.json"),
        ("sync", unfinished),
    }
    assert calls[appears + 1 :] == [("sync", str(target.folder.parent))]
    assert target.find_stale_reason({}) is None


def test_publish__takes_the_one_before_away_in_one_step(target, tmp_path, calls):
    publish(target, tmp_path / "first")
    calls.clear()
    publish(target, tmp_path / "second")
    moves = [call[1:] for call in calls if call[0] == "rename" and str(target.folder) in call]
    assert [source == str(target.folder) for source, _ in moves] == [True, False]
    assert not list((tmp_path / "second").glob("publish-*"))


def test_replaced__has_the_file_on_the_disk_before_it_appears(tmp_path, calls):
    path = tmp_path / "a file"
    with atomic_files.open_replacement(path) as output:
        output.write(b"whole")
    (_, unfinished), (_, source, appeared), (_, folder) = calls
    assert (source, appeared, folder) == (unfinished, str(path), str(tmp_path))
    assert path.read_bytes() == b"whole"


def test_replaced__leaves_what_was_there_where_the_block_fails(tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="half"), atomic_files.open_replacement(path) as output:
        output.write(b"half")
        raise ValueError("half of it")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a file": b"before"}
