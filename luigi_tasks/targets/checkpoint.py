"""Checkpoints: folders that appear at once or not at all, each with a manifest that says what it was built from."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import luigi

from luigi_tasks import fingerprints, paths, run_id
from luigi_tasks.atomic_files import sync_to_disk
from luigi_tasks.errors import PipelineError

BuiltFrom = Mapping[str, str]
"""Fingerprints of what a target is built from: `inputs`, `code` and `settings`."""


class CheckpointTarget(luigi.Target):
    """The checkpoint of one stage and batch."""

    def __init__(self, stage: str, batch: str) -> None:
        self.stage = stage
        self.batch = batch
        self.folder = paths.checkpoint(stage, batch)

    def __str__(self) -> str:
        return str(self.folder)

    def exists(self) -> bool:
        return self.why_stale(None) is None

    def manifest(self) -> dict[str, Any]:
        """What stands in the manifest; nothing when there is no readable one."""
        path = self.folder / paths.MANIFEST
        try:
            status = path.stat()
        except OSError:
            return {}
        return _read_manifest(path, status.st_mtime_ns, status.st_size)

    def why_stale(self, built_from: BuiltFrom | None) -> str | None:
        """Why the checkpoint is not whole, or not built from what stands now; None when it is."""
        manifest = self.manifest()
        if not manifest:
            return "its checkpoint is missing" if not self.folder.exists() else "its manifest is missing or unreadable"
        for file in manifest["files"]:
            path = self.folder / file["path"]
            if not path.is_file() or path.stat().st_size != file["bytes"]:
                return f"its file {file['path']} is missing or has another size"
        return None if built_from is None else why_changed(manifest["built_from"], built_from)

    def require_intact(self, folder: str = "") -> dict[str, Any]:
        """The manifest, after every file, or every one of a folder in it, was compared with it.

        Raises PipelineError naming the damaged file.
        """
        manifest = self.manifest()
        for file in manifest["files"]:
            if not file["path"].startswith(folder):
                continue
            path = self.folder / file["path"]
            if not path.is_file() or fingerprints.of_file(path) != file["sha256"]:
                raise PipelineError(
                    f"checkpoint {self.folder}: {file['path']} is not what its manifest says; "
                    f"delete the folder {self.folder} and run again"
                )
        return manifest

    def publish(self, staging: Path, parts: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
        """Make the checkpoint appear: `parts` (name below the folder -> built file or folder) and the manifest.

        `staging` lies on the same file system. What was there before is gone once the new one is there.
        """
        unfinished = staging / f"publish-{uuid.uuid4().hex}"
        unfinished.mkdir(parents=True)
        for name, built in parts.items():
            if built.exists():
                (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
                built.rename(unfinished / name)
        files = []
        for path in sorted(unfinished.rglob("*")):
            sync_to_disk(path)
            if path.is_file() and not path.name.startswith((".", "_")):
                name = path.relative_to(unfinished).as_posix()
                files.append({"path": name, "bytes": path.stat().st_size, "sha256": fingerprints.of_file(path)})
        manifest = {"stage": self.stage, "batch": self.batch, "run": run_id.get_run_id(), "files": files, **facts}
        with (unfinished / paths.MANIFEST).open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        sync_to_disk(unfinished)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.exists():
            self.folder.rename(staging / f"replaced-{uuid.uuid4().hex}")
        unfinished.rename(self.folder)
        sync_to_disk(self.folder.parent)


@lru_cache(maxsize=50_000)
def _read_manifest(path: Path, mtime_ns: int, size: int) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and {"files", "built_from"} <= manifest.keys() else {}


def why_changed(before: BuiltFrom, now: BuiltFrom) -> str | None:
    names = changed(before, now)
    return f"its {' and '.join(names)} changed" if names else None


def changed(before: BuiltFrom, now: BuiltFrom) -> list[str]:
    """The names of what is not what it was, is new, or, as a model of dbt that was dropped, is no more."""
    return [name for name in {**now, **before} if before.get(name) != now.get(name)]


@contextmanager
def staging_folder(stage: str) -> Iterator[Path]:
    """An empty folder to build in, gone afterwards."""
    folder = paths.staging() / f"{stage}-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {paths.checkpoints()}: {error.strerror or error}; mend it and run again"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_staging() -> None:
    """Remove what killed runs left. Only whoever holds the run lock may."""
    shutil.rmtree(paths.staging(), ignore_errors=True)
