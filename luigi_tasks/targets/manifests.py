"""Manifests: what a checkpoint says of itself. One dataclass a stage; the file is JSON with the same names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.landing import SourceFile
from spark_jobs.messages import CleanCounts, FileFault, TableFacts


@dataclass(frozen=True)
class CheckpointFile:
    """A file of a checkpoint: its path below the checkpoint's folder, its size, and the SHA-256 of its content."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What every checkpoint says: its stage and batch, the run that built it, its files, and what it was built from."""

    stage: str
    batch: str
    run: str
    files: Sequence[CheckpointFile]
    built_from: BuiltFrom


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
