"""Checkpoints in an object store (moto's server, a mock of Amazon S3): a manifest, written last, is what makes one."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from object_store import object_stores

from luigi_tasks import config, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import checkpoint, manifests, stored_checkpoints
from luigi_tasks.targets.checkpoint import CheckpointTarget, audit_checkpoint
from luigi_tasks.targets.manifests import AuditManifest
from luigi_tasks.warehouse import project_claim
from spark_jobs.engine.parquet_parts import PartWriter, describe_part
from spark_jobs.storage import ObjectPath

NUMBERS = pa.schema({"n": pa.int64()})


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectPath]:
    with object_stores() as made:
        yield made


def have_checkpoints_in(folder: ObjectPath, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.read_section_once(config.checkpoints), "folder", str(folder))
    monkeypatch.setattr(config.read_section_once(config.checkpoints), "local_folder", str(local))
    monkeypatch.setattr(config.read_section_once(config.storage), "endpoint", folder.endpoint)
    monkeypatch.setattr(config.read_section_once(config.storage), "region", folder.region)
    forget()


def forget() -> None:
    for function in (paths.checkpoints, paths.checkpoint, paths.local_state, manifests.read_manifest_file):
        function.cache_clear()


@pytest.fixture
def folder(bucket, request, tmp_path, monkeypatch) -> Iterator[ObjectPath]:
    """The checkpoints of a project; nothing of it is remembered for the next test."""
    made = bucket / request.node.name
    with monkeypatch.context() as patch:
        have_checkpoints_in(made, tmp_path / "local", patch)
        yield made
    forget()


@pytest.fixture
def requests(folder) -> Iterator[list[str]]:
    """The requests that the store gets."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger, handler = logging.getLogger("werkzeug"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(logging.ERROR)


def build(target: CheckpointTarget[AuditManifest], attempt: Path, rows: int = 3) -> None:
    """Write what a task writes: parts of two tables, of which one is not published."""
    output = target.locate_output(attempt, 0)
    for name in ("users/000000.parquet", "accepted/users/000000.parquet"):
        with PartWriter(attempt, output / name, NUMBERS) as writer:
            writer.write(pa.table({"n": range(rows)}, NUMBERS))


def publish(target: CheckpointTarget[AuditManifest], attempt: Path, rows: int = 3) -> None:
    build(target, attempt, rows)
    output = target.locate_output(attempt, 0)
    (attempt / "ledger.json").write_bytes(b"{}")
    parts = {"users": output / "users", "posts": output / "posts", "ledger.json": attempt / "ledger.json"}
    target.publish(attempt, parts, {"inputs": str(rows)}, fault=None)


@pytest.fixture
def attempts(tmp_path) -> list[Path]:
    made = [tmp_path / f"audit-{number}" for number in range(3)]
    for each in made:
        each.mkdir()
    return made


def list_names(folder: ObjectPath) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.list_files())


def test_publish__leaves_the_manifest_and_what_it_names(folder, attempts):
    target = audit_checkpoint("b")
    assert target.find_stale_reason({}) == "its checkpoint is missing"
    publish(target, attempts[0])
    of_batch = folder / "audit" / "b"
    assert list_names(of_batch) == ["audit-0/ledger.json", "audit-0/users/000000.parquet", "manifest.json"]
    assert target.find_stale_reason({"inputs": "3"}) is None and target.exists()
    manifest = target.require_intact()
    assert [file.path for file in manifest.files] == ["ledger.json", "users/000000.parquet"]
    assert target.list_files("users") == [of_batch / "audit-0" / "users" / "000000.parquet"]
    assert describe_part(target.list_files("users")[0]).rows == 3
    assert not list((attempts[0] / "unfinished").glob("*"))


def test_publish__replaces_the_one_before_and_what_killed_attempts_left(folder, attempts):
    target = audit_checkpoint("b")
    publish(target, attempts[0])
    build(target, attempts[1])
    assert target.find_stale_reason({"inputs": "3"}) is None, "parts without a manifest are no checkpoint"
    publish(target, attempts[2], rows=4)
    assert {name.split("/")[0] for name in list_names(folder / "audit" / "b")} == {"audit-2", "manifest.json"}
    assert target.require_intact().built_from == {"inputs": "4"}
    build(target, attempts[0])
    target.publish(attempts[0], {}, {}, fault="broken")
    assert [path.name for path in (folder / "audit" / "b").iterdir()] == ["manifest.json"]


def test_target__is_stale_where_a_file_or_the_manifest_is_gone(folder, attempts):
    target = audit_checkpoint("b")
    publish(target, attempts[0])
    [part] = target.list_files("users")
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b"?")
    with pytest.raises(PipelineError, match=r"users/000000\.parquet is not what its manifest says; delete the"):
        target.require_intact("users/")
    part.unlink()
    assert target.find_stale_reason(None) == "its file users/000000.parquet is missing or has another size"
    with pytest.raises(PipelineError, match=r"users/000000\.parquet is not what its manifest says"):
        target.require_intact()
    (target.folder / "manifest.json").unlink()
    assert target.find_stale_reason(None) == "its manifest is missing or unreadable"
    target.folder.delete_tree()
    assert target.find_stale_reason(None) == "its checkpoint is missing"


def test_manifest__that_was_rewritten_is_read_again_within_the_second(folder, attempts):
    target = audit_checkpoint("b")
    publish(target, attempts[0])
    with stored_checkpoints.share_listings():
        target.rewrite_manifest(replace(target.require_manifest(), run="run-x"))
        target.rewrite_manifest(replace(target.require_manifest(), run="run-y"))
        assert target.require_manifest().run == "run-y"


def test_check__of_many_batches_lists_their_stage_once(folder, attempts, requests):
    names = [f"b{number}" for number in range(20)]
    for name in names:
        audit_checkpoint(name).publish(attempts[0], {}, {}, fault=None)
    forget()
    requests.clear()
    with stored_checkpoints.share_listings():
        assert all(audit_checkpoint(name).exists() for name in names)
        listed = checkpoint._list_targets("audit", AuditManifest)
        assert [target.require_manifest().batch for target in listed] == sorted(names)
    lists = stored_checkpoints.BATCHES_ALONE + 1
    assert sum("list-type=2" in request for request in requests) == lists
    assert len(requests) <= lists + 2 * len(names)
    requests.clear()
    with stored_checkpoints.share_listings():
        assert all(audit_checkpoint(name).exists() for name in names)
    assert len(requests) == lists, "manifests are read once a process"


def test_part__of_a_store_is_written_whole_or_not_at_all(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    part = folder / "000000.parquet"
    with pytest.raises(ZeroDivisionError), PartWriter(tmp_path / "nowhere", part, NUMBERS) as writer:
        writer.write(pa.table({"n": [1]}, NUMBERS))
        raise ZeroDivisionError
    assert describe_part(part) is None and not part.exists()
    with PartWriter(tmp_path / "nowhere", part, NUMBERS) as writer:
        writer.write(pa.table({"n": [1]}, NUMBERS))
    with PartWriter(tmp_path, tmp_path / "local" / part.name, NUMBERS) as writer:
        writer.write(pa.table({"n": [1]}, NUMBERS))
    assert describe_part(part) == describe_part(tmp_path / "local" / part.name)
    assert not (tmp_path / "nowhere").exists() and not list(tmp_path.glob("socialmart-part-*"))


def test_store__that_does_not_answer_is_an_error_and_not_a_missing_checkpoint(folder, tmp_path, monkeypatch):
    away = ObjectPath("s3", "lake/checkpoints", "http://127.0.0.1:9", "us-east-1")
    started = time.monotonic()
    with monkeypatch.context() as patch:
        have_checkpoints_in(away, tmp_path, patch)
        target = audit_checkpoint("b")
        for ask in (target.exists, lambda: target.publish(tmp_path, {}, {}, fault=None), project_claim.read_project_id):
            with pytest.raises(PipelineError, match=f"^checkpoints folder {away}: the store refuses or does not "):
                ask()
    assert time.monotonic() - started < 30


def test_project__is_known_by_its_id_in_the_store(folder):
    assert project_claim.read_project_id() is None
    project_claim._write_project_id("id")
    assert (project_claim.read_project_id(), list_names(folder)) == ("id", [".project"])
    assert project_claim._describe_place() == (folder.endpoint, str(folder))
