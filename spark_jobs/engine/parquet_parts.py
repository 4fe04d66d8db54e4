"""Parts: the Parquet files of a checkpoint, each written by one task.

The same input gives the same bytes. So a task may write its part twice, or two tasks at once, as Spark does at times;
and the digest of the bytes stands for the content.
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

from spark_jobs.engine import file_modes
from spark_jobs.messages.jobs import TableFacts

DICTIONARY_COLUMNS = ["batch", "file"]
"""Columns with few distinct values, the only ones that are dictionary-encoded."""
UNFINISHED = "unfinished"
"""The folder in staging for parts that are still being written."""
DIGEST_LENGTH = 32
"""Hexadecimal digits of digests and fingerprints."""


@dataclass(frozen=True)
class Part:
    """A part as written: the number of its rows, and the digest of its bytes."""

    rows: int
    digest: str


class PartWriter:
    """Writes a part, with a row group for each block of rows.

    A context manager: the part appears when the block ends, whole; not if the block raises, nor if there are no rows.
    """

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
            file_modes.restrict_task()
            self._unfinished.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self._unfinished, self._schema, compression="zstd", use_dictionary=DICTIONARY_COLUMNS
            )
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


def describe_part(path: Path) -> Part | None:
    """The part at a path; None where no row was written."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        return Part(
            pq.read_metadata(path).num_rows, hashlib.file_digest(file, hashlib.blake2b).hexdigest()[:DIGEST_LENGTH]
        )


def summarize_table(parts: Iterable[Part]) -> TableFacts:
    """The rows and the fingerprint of a table, from its parts in order; the fingerprint is "0" where there are none."""
    parts = list(parts)
    digests = "\n".join(part.digest for part in parts)
    fingerprint = hashlib.sha256(digests.encode()).hexdigest()[:DIGEST_LENGTH] if parts else "0"
    return TableFacts(sum(part.rows for part in parts), fingerprint)
