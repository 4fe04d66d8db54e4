"""Parts: the Parquet files of a checkpoint, each written by one task, byte for byte the same from the same input.

So a part can be written twice (a task that Spark runs again, or two at once) and its digest stands for its content.
"""

import hashlib
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.messages.jobs import TableFacts

REPEATED = ["batch", "file"]
"""Columns of few values; the others are written as they are."""
UNFINISHED = "unfinished"
"""The folder of staging that holds the parts being written."""


@dataclass(frozen=True)
class Part:
    """A part as it lies there: its rows, and the digest of its bytes."""

    rows: int
    digest: str


class PartWriter:
    """Writes a part, one row group a block of rows. Once all are written it appears at once, unless it is empty."""

    def __init__(self, staging: Path, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._unfinished = staging / UNFINISHED / uuid.uuid4().hex
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Add rows, if there are any."""
        if not rows.num_rows:
            return
        if self._writer is None:
            self._unfinished.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._unfinished, self._schema, compression="zstd", use_dictionary=REPEATED)
        self._writer.write(rows, rows.num_rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._writer is None:
            return
        self._writer.close()
        if kind is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._unfinished, self._path)
        else:
            self._unfinished.unlink()


def look(path: Path) -> Part | None:
    """The part at a path; None where nothing was written."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        return Part(pq.read_metadata(path).num_rows, hashlib.file_digest(file, hashlib.blake2b).hexdigest()[:32])


def table_facts(parts: Iterable[Part]) -> TableFacts:
    """Rows and fingerprint of a table from its parts in their order."""
    parts = list(parts)
    digests = "\n".join(part.digest for part in parts)
    fingerprint = hashlib.sha256(digests.encode()).hexdigest()[:32] if parts else "0"
    return TableFacts(sum(part.rows for part in parts), fingerprint)
