"""Manifests: what a checkpoint says of itself. One dataclass a stage; the file is JSON with the same names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.landing import SourceFile
from spark_jobs.messages import CleanCounts, FileFault, MessageError, TableFacts, from_json
from spark_jobs.storage import Location


@dataclass(frozen=True)
class CheckpointFile:
    """A file of a checkpoint: its path below the checkpoint's folder, its size, and the SHA-256 of its content."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What every checkpoint says: its stage and batch, the run that built it, its files, and what it was built from.

    `attempt` is the folder below the checkpoint's that holds the files; "" where they are in that itself.
    """

    stage: str
    batch: str
    run: str
    files: Sequence[CheckpointFile]
    built_from: BuiltFrom
    attempt: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class ExtractManifest(Manifest):
    """Of Extract: the landing files that were read, the tables by name, or the first broken file.

    `content` is the fingerprint of what Clean reads; `found` says how often each mapped path was found, by source;
    `unknown_files` are members of archives that are of no source.
    """

    sources: Sequence[SourceFile]
    tables: Mapping[str, TableFacts]
    fault: FileFault | None
    content: str
    found: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unknown_files: Sequence[str] = ()


@dataclass(frozen=True)
class CleanManifest(Manifest):
    """Of Clean: the tables by name, and the counts that the ledger balances (None where a file is broken).

    `content` is the fingerprint of what Audit reads.
    """

    tables: Mapping[str, TableFacts]
    counts: CleanCounts | None
    fault: FileFault | None
    content: str


@dataclass(frozen=True)
class AuditManifest(Manifest):
    """Of Audit: why the batch is stopped, None where it passed."""

    fault: str | None


@lru_cache(maxsize=50_000)
def read_manifest_file(kind: Any, path: Location, mtime_ns: int, size: int, times_written: int = 0) -> Any:
    """The manifest of a kind in a file; None where there is none that can be read.

    It is read once for each time and size that the file has, and each time that this process wrote it. Raises OSError
    where a store does not answer.
    """
    try:
        return from_json(kind, path.read_bytes())
    except (FileNotFoundError, MessageError):
        return None
    except OSError:
        if isinstance(path, Path):
            return None
        raise
