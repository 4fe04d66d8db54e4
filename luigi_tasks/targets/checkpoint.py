"""Checkpoints: folders that appear at once or not at all, each with a manifest that says what it was built from."""

import os
import shutil
import uuid
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import luigi

from luigi_tasks import fingerprints, paths, run_id
from luigi_tasks.atomic_files import open_replacement, sync_to_disk
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets.built_from import BuiltFrom, describe_changes
from luigi_tasks.targets.manifests import AuditManifest, CheckpointFile, CleanManifest, ExtractManifest, Manifest
from spark_jobs.messages import MessageError, from_json, to_json

AnyManifest = TypeVar("AnyManifest", bound=Manifest)


def extract_checkpoint(batch: str) -> "CheckpointTarget[ExtractManifest]":
    """The documents of a batch."""
    return CheckpointTarget("extract", batch, ExtractManifest)


def read_extract_manifests() -> list[ExtractManifest]:
    """The manifests of all batches' documents, those of batches that have left the landing folder included."""
    found = []
    for folder in sorted((paths.checkpoints() / "extract").glob("*")):
        target = CheckpointTarget("extract", "", ExtractManifest)
        target.folder = folder
        if manifest := target.read_manifest():
            found.append(manifest)
    return found


def clean_checkpoint(batch: str) -> "CheckpointTarget[CleanManifest]":
    """The tables of a batch."""
    return CheckpointTarget("clean", batch, CleanManifest)


def audit_checkpoint(batch: str) -> "CheckpointTarget[AuditManifest]":
    """The ledger of a batch."""
    return CheckpointTarget("audit", batch, AuditManifest)


def is_loadable(batch: str) -> bool:
    """Whether a batch can be loaded from its checkpoints as they stand: its tables are there, and Audit passed them."""
    cleaned, audited = clean_checkpoint(batch), audit_checkpoint(batch).read_manifest()
    manifest = cleaned.read_manifest()
    is_whole = manifest is not None and manifest.fault is None and cleaned.exists()
    return is_whole and audited is not None and audited.fault is None


def list_loadable_batches(without: Iterable[str]) -> list[str]:
    """The other batches that can be loaded from their checkpoints as they stand, in the order of their names."""
    known = {paths.folder_name(batch) for batch in without}
    folder = paths.checkpoints() / "clean"
    folders = [path for path in (folder.iterdir() if folder.is_dir() else ()) if path.name not in known]
    manifests = [_read_folder(path) for path in folders]
    return sorted(manifest.batch for manifest in manifests if manifest and is_loadable(manifest.batch))


def _read_folder(folder: Path) -> CleanManifest | None:
    target = CheckpointTarget("clean", "", CleanManifest)
    target.folder = folder
    return target.read_manifest()


class CheckpointTarget(luigi.Target, Generic[AnyManifest]):
    """The checkpoint of one stage and batch."""

    def __init__(self, stage: str, batch: str, kind: type[AnyManifest]) -> None:
        self.stage = stage
        self.batch = batch
        self.folder = paths.checkpoint(stage, batch)
        self._kind = kind

    def __str__(self) -> str:
        return str(self.folder)

    def exists(self) -> bool:
        return self.find_stale_reason(None) is None

    def read_manifest(self) -> AnyManifest | None:
        """The manifest; None where there is none that can be read."""
        path = self.folder / paths.MANIFEST
        try:
            status = path.stat()
        except OSError:
            return None
        kind = cast(Hashable, self._kind)  # mypy knows no class to be hashable
        return _read_manifest(kind, path, status.st_mtime_ns, status.st_size)

    def require_manifest(self) -> AnyManifest:
        """The manifest. Raises PipelineError where there is none that can be read."""
        if (manifest := self.read_manifest()) is None:
            raise PipelineError(
                f"checkpoint {self.folder}: its manifest is missing or unreadable; delete the folder and run again"
            )
        return manifest

    def find_stale_reason(self, built_from: BuiltFrom | None) -> str | None:
        """Why the checkpoint is damaged or was not built from `built_from` (None: do not ask); None when it is fine."""
        manifest = self.read_manifest()
        if manifest is None:
            return "its manifest is missing or unreadable" if self.folder.exists() else "its checkpoint is missing"
        for file in manifest.files:
            path = self.folder / file.path
            if not path.is_file() or path.stat().st_size != file.bytes:
                return f"its file {file.path} is missing or has another size"
        return None if built_from is None else describe_changes(manifest.built_from, built_from)

    def require_intact(self, folder: str = "") -> AnyManifest:
        """Compare every file, or every file of a folder below the checkpoint, with the manifest, and return that.

        Raises PipelineError, which names the damaged file.
        """
        manifest = self.require_manifest()
        for file in manifest.files:
            if not file.path.startswith(folder):
                continue
            path = self.folder / file.path
            if not path.is_file() or fingerprints.of_file(path) != file.sha256:
                raise PipelineError(
                    f"checkpoint {self.folder}: {file.path} is not what its manifest says; "
                    f"delete the folder {self.folder} and run again"
                )
        return manifest

    def publish(self, staging: Path, parts: Mapping[str, Path], built_from: BuiltFrom, **facts: Any) -> None:
        """Make the checkpoint appear: `parts` (path below its folder -> file or folder as built) and the manifest.

        `staging` is a folder on the same file system. `facts` are the fields that the stage's manifest has besides
        those of all. What was there before is gone once the new checkpoint is there.
        """
        unfinished = staging / f"publish-{uuid.uuid4().hex}"
        unfinished.mkdir(parents=True)
        for name, built in parts.items():
            if built.exists():
                (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
                built.rename(unfinished / name)
        files = _sync_files(unfinished)
        manifest = self._kind(self.stage, self.batch, run_id.get_run_id(), files, dict(built_from), **facts)
        with (unfinished / paths.MANIFEST).open("w", encoding="utf-8") as file:
            file.write(to_json(manifest, indent=1))
            file.flush()
            os.fsync(file.fileno())
        sync_to_disk(unfinished)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.exists():
            self.folder.rename(staging / f"replaced-{uuid.uuid4().hex}")
        unfinished.rename(self.folder)
        sync_to_disk(self.folder.parent)

    def rewrite_manifest(self, manifest: AnyManifest) -> None:
        """Replace the manifest of a checkpoint that stays as it is. Where that fails, the one before stays."""
        path = self.folder / paths.MANIFEST
        with suppress(OSError), open_replacement(path) as file:
            file.write(to_json(manifest, indent=1).encode())


def _sync_files(folder: Path) -> Sequence[CheckpointFile]:
    """Have the content of a folder on the disk, and describe its files. Hidden ones are not part of the checkpoint."""
    files = []
    for path in sorted(folder.rglob("*")):
        sync_to_disk(path)
        if path.is_file() and not path.name.startswith((".", "_")):
            name = path.relative_to(folder).as_posix()
            files.append(CheckpointFile(name, path.stat().st_size, fingerprints.of_file(path)))
    return files


@lru_cache(maxsize=50_000)
def _read_manifest(kind: Any, path: Path, mtime_ns: int, size: int) -> Any:
    """Read once for each time and size that the file has."""
    try:
        return from_json(kind, path.read_bytes())
    except (OSError, MessageError):
        return None


@contextmanager
def staging_folder(stage: str) -> Iterator[Path]:
    """An empty folder to build in; it is deleted afterwards."""
    folder = paths.staging() / f"{stage}-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {paths.checkpoints()}: {error.strerror or error}; fix it and run again"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_staging() -> None:
    """Delete what killed runs left. Only the holder of the run lock may call this."""
    shutil.rmtree(paths.staging(), ignore_errors=True)
