"""Checkpoints in an object store, which has no rename and answers each request after some ten milliseconds.

A stage and batch has a folder of its own, and below it one of the attempt that built it. The manifest, written last,
names the attempt: that makes it the checkpoint. Everything else in the folder is then deleted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from luigi_tasks import fingerprints, paths
from luigi_tasks.store_errors import translate_store_errors
from luigi_tasks.targets.manifests import CheckpointFile, Manifest, read_manifest_file
from spark_jobs.messages import to_json
from spark_jobs.storage import Location, ObjectPath, ObjectStatus, map_at_once

BATCHES_ALONE = 8
"""How many batches of a stage a check asks about one by one; from the next on, the stage is listed as a whole."""

Objects = dict[ObjectPath, ObjectStatus]
Result = TypeVar("Result")


@dataclass
class _Listings:
    """What a check has listed: the objects by the folder of their batch, and the stages that were listed whole."""

    objects: dict[ObjectPath, Objects] = field(default_factory=dict)
    stages: set[ObjectPath] = field(default_factory=set)


_listings: ContextVar[_Listings | None] = ContextVar("listings", default=None)
_times_written: dict[ObjectPath, int] = {}
"""How often this process wrote a manifest: S3 dates it by the second, which does not tell two of them apart."""


@contextmanager
def share_listings() -> Iterator[None]:
    """Within the outermost such block each folder of checkpoints is listed once. What other processes publish
    meanwhile may not show."""
    if _listings.get() is not None:
        yield
        return
    token = _listings.set(_Listings())
    try:
        yield
    finally:
        _listings.reset(token)


def find_objects(kind: type[Manifest], folder: ObjectPath) -> Objects:
    """Return the objects of a checkpoint with a manifest of this kind, or of what is left of one."""
    shared = _listings.get()
    if shared is None:
        return _list_objects(folder)
    if folder not in shared.objects and folder.parent not in shared.stages:
        if sum(each.parent == folder.parent for each in shared.objects) < BATCHES_ALONE:
            shared.objects[folder] = _list_objects(folder)
        else:
            _list_stage(shared, kind, folder.parent)
    return shared.objects.get(folder, {})


def list_folders(kind: type[Manifest], stage: ObjectPath) -> list[ObjectPath]:
    """Return the folders of a stage, one a batch. Within `share_listings` their manifests are read, many at once."""
    shared = _listings.get() or _Listings()
    if stage not in shared.stages:
        _list_stage(shared, kind, stage)
    return sorted(folder for folder in shared.objects if folder.parent == stage)


def read_manifest(kind: Any, folder: ObjectPath) -> Any:
    """Return the manifest of a checkpoint; None where there is none that can be read."""
    return _read_manifest(kind, folder, find_objects(kind, folder))


def write_manifest(folder: ObjectPath, manifest: Manifest) -> Objects:
    """Write the manifest of a checkpoint, in place of the one before. Returns all objects in its folder."""
    path = folder / paths.MANIFEST
    with translate_store_errors():
        path.write_bytes(to_json(manifest, indent=1).encode())
    _times_written[path] = _times_written.get(path, 0) + 1
    objects = _list_objects(folder)
    if shared := _listings.get():
        shared.objects[folder] = objects
    return objects


def collect_files(folder: ObjectPath, attempt: str, parts: Mapping[str, Location]) -> list[CheckpointFile]:
    """Upload the parts that are on this machine, and describe the files of all. Hidden ones are none of them."""
    root = folder / attempt
    with translate_store_errors():
        for name, built in parts.items():
            if isinstance(built, Path) and built.exists():
                (root / name).upload(built)
        found = {
            path.relative_to(root): (path, status)
            for path, status in _list_objects(root).items()
            if not path.name.startswith((".", "_"))
        }
        names = sorted(name for name in found if any(name.is_relative_to(part) for part in parts))
        return map_at_once(lambda name: _describe_file(str(name), *found[name]), names)


def publish(folder: ObjectPath, manifest: Manifest) -> None:
    """Make an attempt the checkpoint, and delete the others, and what this one left aside."""
    root = folder / manifest.attempt
    objects = write_manifest(folder, manifest)
    found = {_find_child(folder, path) for path in objects}
    found |= {_find_child(root, path) for path in objects if path.key.startswith(f"{root.key}/")}
    kept = {folder / paths.MANIFEST, *(_find_child(root, root / file.path) for file in manifest.files)}
    if manifest.files:
        kept.add(root)
    with translate_store_errors():
        for path in sorted(found - kept):
            if path in objects:
                path.unlink(missing_ok=True)
            else:
                path.delete_tree()


def map_files(work: Callable[[Location], Result], files: Sequence[Location]) -> Iterable[Result]:
    """What the work gives for each file of a checkpoint; of those in a store, many are asked at once."""
    if all(isinstance(file, Path) for file in files):
        return map(work, files)
    with translate_store_errors():
        return map_at_once(work, files)


def _list_stage(shared: _Listings, kind: type[Manifest], stage: ObjectPath) -> None:
    """List all of a stage, and read the manifests, which are asked for next: Python keeps them."""
    for path, status in _list_objects(stage).items():
        shared.objects.setdefault(_find_child(stage, path), {})[path] = status
    shared.stages.add(stage)
    of_stage = [(folder, objects) for folder, objects in shared.objects.items() if folder.parent == stage]
    map_at_once(lambda found: _read_manifest(kind, *found), of_stage)


def _list_objects(folder: ObjectPath) -> Objects:
    with translate_store_errors():
        try:
            return folder.list_files()
        except FileNotFoundError:
            return {}


def _read_manifest(kind: Any, folder: ObjectPath, objects: Objects) -> Any:
    path = folder / paths.MANIFEST
    status = objects.get(path)
    if status is None:
        return None
    with translate_store_errors():
        return read_manifest_file(kind, path, status.mtime_ns, status.size, _times_written.get(path, 0))


def _describe_file(name: str, path: ObjectPath, status: ObjectStatus) -> CheckpointFile:
    return CheckpointFile(name, status.size, fingerprints.of_file(path))


def _find_child(folder: ObjectPath, path: ObjectPath) -> ObjectPath:
    """Return the object or folder directly below a folder that a path leads to or through."""
    return folder / path.relative_to(folder).parts[0]
