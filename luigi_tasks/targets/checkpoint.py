"""Checkpoints: where those of each stage are, what all of them hold, and the folder in which they are built."""

import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.targets import stored_checkpoints
from luigi_tasks.targets.checkpoint_target import AnyManifest, CheckpointTarget
from luigi_tasks.targets.ledger_file import BatchLedger, read_ledger
from luigi_tasks.targets.manifests import AuditManifest, CleanManifest, ExtractManifest
from spark_jobs.storage import Location


def extract_checkpoint(batch: str) -> CheckpointTarget[ExtractManifest]:
    """The documents of a batch."""
    return CheckpointTarget("extract", batch, ExtractManifest)


@stored_checkpoints.share_listings()
def read_extract_manifests() -> list[ExtractManifest]:
    """The manifests of all batches' documents, those of batches that have left the landing folder included."""
    return [manifest for target in _list_targets("extract", ExtractManifest) if (manifest := target.read_manifest())]


def clean_checkpoint(batch: str) -> CheckpointTarget[CleanManifest]:
    """The tables of a batch."""
    return CheckpointTarget("clean", batch, CleanManifest)


def audit_checkpoint(batch: str) -> CheckpointTarget[AuditManifest]:
    """The ledger of a batch."""
    return CheckpointTarget("audit", batch, AuditManifest)


@stored_checkpoints.share_listings()
def read_ledgers(batches: Iterable[str]) -> dict[str, BatchLedger]:
    """The ledgers of these batches, of those that have one."""
    return _read_ledgers([audit_checkpoint(batch) for batch in batches])


@stored_checkpoints.share_listings()
def read_all_ledgers() -> dict[str, BatchLedger]:
    """The ledgers of all batches, those of batches that have left the landing folder included."""
    return _read_ledgers(_list_targets("audit", AuditManifest))


def _read_ledgers(targets: Sequence[CheckpointTarget[AuditManifest]]) -> dict[str, BatchLedger]:
    files = [target.find_root() / paths.LEDGER for target in targets]
    return {ledger.batch: ledger for ledger in stored_checkpoints.map_files(read_ledger, files) if ledger}


def is_loadable(batch: str) -> bool:
    """Whether a batch can be loaded from its checkpoints as they stand: its tables are there, and Audit passed them."""
    cleaned, audited = clean_checkpoint(batch), audit_checkpoint(batch).read_manifest()
    manifest = cleaned.read_manifest()
    is_whole = manifest is not None and manifest.fault is None and cleaned.exists()
    return is_whole and audited is not None and audited.fault is None


@stored_checkpoints.share_listings()
def list_loadable_batches(without: Iterable[str]) -> list[str]:
    """The other batches that can be loaded from their checkpoints as they stand, in the order of their names."""
    known = {paths.folder_name(batch) for batch in without}
    targets = [target for target in _list_targets("clean", CleanManifest) if target.folder.name not in known]
    manifests = [target.read_manifest() for target in targets]
    return sorted(manifest.batch for manifest in manifests if manifest and is_loadable(manifest.batch))


def _list_targets(stage: str, kind: type[AnyManifest]) -> list[CheckpointTarget[AnyManifest]]:
    """The checkpoints of a stage, in the order of their folders' names, whatever has become of their batches."""
    folder = paths.checkpoints() / stage
    if isinstance(folder, Path):
        folders: Sequence[Location] = sorted(folder.glob("*"))
    else:
        folders = stored_checkpoints.list_folders(kind, folder)
    targets = []
    for each in folders:
        target = CheckpointTarget(stage, "", kind)
        target.folder = each
        targets.append(target)
    return targets


@contextmanager
def staging_folder(stage: str) -> Iterator[Path]:
    """An empty folder to build in; it is deleted afterwards."""
    folder = paths.staging() / f"{stage}-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise PipelineError(
            f"checkpoints folder {paths.local_state()}: {error.strerror or error}; fix it and run again"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_staging() -> None:
    """Delete what killed runs left. Only the holder of the run lock may call this."""
    shutil.rmtree(paths.staging(), ignore_errors=True)
