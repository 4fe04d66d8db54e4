"""The target of a checkpoint: it appears at once or not at all, with a manifest that says what it was built from."""

import os
import uuid
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import luigi

from luigi_tasks import fingerprints, paths, run_id
from luigi_tasks.atomic_files import open_replacement, sync_to_disk
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import stored_checkpoints
from luigi_tasks.targets.built_from import BuiltFrom, describe_changes
from luigi_tasks.targets.manifests import CheckpointFile, Manifest, read_manifest_file
from spark_jobs.messages import to_json
from spark_jobs.storage import Location, ObjectPath

AnyManifest = TypeVar("AnyManifest", bound=Manifest)


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
        if isinstance(self.folder, ObjectPath):
            return cast(AnyManifest | None, stored_checkpoints.read_manifest(self._kind, self.folder))
        path = self.folder / paths.MANIFEST
        try:
            status = path.stat()
        except OSError:
            return None
        kind = cast(Hashable, self._kind)  # mypy knows no class to be hashable
        return cast(AnyManifest | None, read_manifest_file(kind, path, status.st_mtime_ns, status.st_size))

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
            return "its manifest is missing or unreadable" if self._holds_anything() else "its checkpoint is missing"
        sizes = self._measure_files(manifest)
        for file in manifest.files:
            if sizes.get(file.path) != file.bytes:
                return f"its file {file.path} is missing or has another size"
        return None if built_from is None else describe_changes(manifest.built_from, built_from)

    def find_root(self) -> Location:
        """The folder that holds the files of the checkpoint: its own, or in a store that of an attempt."""
        manifest = self.read_manifest()
        return self._find_root(manifest) if manifest else self.folder

    def list_files(self, folder: str) -> list[Location]:
        """The files of a folder below the checkpoint, in order. Raises PipelineError without a manifest."""
        manifest = self.require_manifest()
        root = self._find_root(manifest)
        return [root / file.path for file in manifest.files if file.path.startswith(f"{folder}/")]

    def _find_root(self, manifest: Manifest) -> Location:
        return self.folder / manifest.attempt if manifest.attempt else self.folder

    def _holds_anything(self) -> bool:
        if isinstance(self.folder, ObjectPath):
            return bool(stored_checkpoints.find_objects(self._kind, self.folder))
        return self.folder.exists()

    def _measure_files(self, manifest: Manifest) -> dict[str, int]:
        """The sizes in bytes of those files of the manifest that are there."""
        root = self._find_root(manifest)
        if isinstance(root, ObjectPath):
            objects = stored_checkpoints.find_objects(self._kind, cast(ObjectPath, self.folder))
            found = {file.path: objects.get(root / file.path) for file in manifest.files}
            return {path: status.size for path, status in found.items() if status}
        files = {file.path: root / file.path for file in manifest.files}
        return {name: path.stat().st_size for name, path in files.items() if path.is_file()}

    def require_intact(self, folder: str = "") -> AnyManifest:
        """Compare every file, or every file of a folder below the checkpoint, with the manifest, and return that.

        Raises PipelineError, which names the damaged file.
        """
        manifest = self.require_manifest()
        files = [file for file in manifest.files if file.path.startswith(folder)]
        digests = stored_checkpoints.map_files(_digest_file, [self._find_root(manifest) / file.path for file in files])
        for file, digest in zip(files, digests, strict=True):
            if digest != file.sha256:
                raise PipelineError(
                    f"checkpoint {self.folder}: {file.path} is not what its manifest says; "
                    f"delete the folder {self.folder} and run again"
                )
        return manifest

    def locate_output(self, staging: Path, number: int) -> Location:
        """Where the tables of the checkpoint, the batch of this number in a request, are to be written before they are
        published: below `staging`, or, in a store, in the folder of the attempt, where they stay."""
        return self.folder / staging.name if isinstance(self.folder, ObjectPath) else staging / f"batch_no={number}"

    def publish(self, staging: Path, parts: Mapping[str, Location], built_from: BuiltFrom, **facts: Any) -> None:
        """Make the checkpoint appear: `parts` (path below its folder -> file or folder as built) and the manifest.

        `staging` is a folder of `staging_folder`. `facts` are the fields that the stage's manifest has besides those of
        all. What was there before is gone once the new checkpoint is there.
        """
        if isinstance(self.folder, ObjectPath):
            attempt = staging.name
            files: Sequence[CheckpointFile] = stored_checkpoints.collect_files(self.folder, attempt, parts)
            manifest = self._describe(files, built_from, facts, attempt)
            stored_checkpoints.publish(self.folder, manifest)
            return
        unfinished = staging / f"publish-{uuid.uuid4().hex}"
        unfinished.mkdir(parents=True)
        for name, built in parts.items():
            if isinstance(built, Path) and built.exists():
                (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
                built.rename(unfinished / name)
        files = _sync_files(unfinished)
        manifest = self._describe(files, built_from, facts)
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

    def _describe(
        self, files: Sequence[CheckpointFile], built_from: BuiltFrom, facts: Mapping[str, Any], attempt: str = ""
    ) -> AnyManifest:
        run = run_id.get_run_id()
        return self._kind(self.stage, self.batch, run, files, dict(built_from), attempt=attempt, **facts)

    def rewrite_manifest(self, manifest: AnyManifest) -> None:
        """Replace the manifest of a checkpoint that stays as it is. Where that fails, the one before stays."""
        if isinstance(self.folder, ObjectPath):
            with suppress(PipelineError):
                stored_checkpoints.write_manifest(self.folder, manifest)
            return
        with suppress(OSError), open_replacement(self.folder / paths.MANIFEST) as file:
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


def _digest_file(path: Location) -> str | None:
    try:
        return fingerprints.of_file(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
