"""Parts: the Parquet files of a checkpoint, each written by one task.

The same input gives the same bytes. So a task may write its part twice, or two tasks at once, as Spark does at times;
and the digest of the bytes stands for the content.
"""

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.engine import file_modes
from spark_jobs.messages.jobs import TableFacts
from spark_jobs.storage import Location

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
    Until then it is in the folder `staging`, or, where it goes to a store, a temporary file of this machine.
    """

    def __init__(self, staging: Path, path: Location, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._folder = staging / UNFINISHED
        self._unfinished: Path | None = None
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Add rows, if there are any."""
        if not rows.num_rows:
            return
        if self._writer is None:
            file_modes.restrict_task()
            self._unfinished = self._name_unfinished()
            self._writer = pq.ParquetWriter(
                self._unfinished, self._schema, compression="zstd", use_dictionary=DICTIONARY_COLUMNS
            )
        self._writer.write(rows, rows.num_rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._writer is None or self._unfinished is None:
            return
        try:
            self._writer.close()
            if kind is None:
                self._publish(self._unfinished)
        finally:
            self._unfinished.unlink(missing_ok=True)

    def _name_unfinished(self) -> Path:
        if isinstance(self._path, Path):
            self._folder.mkdir(parents=True, exist_ok=True)
            return self._folder / uuid.uuid4().hex
        descriptor, name = tempfile.mkstemp(prefix="socialmart-part-")  # which only this account may read
        os.close(descriptor)
        return Path(name)

    def _publish(self, unfinished: Path) -> None:
        if isinstance(self._path, Path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(unfinished, self._path)
        else:
            self._path.upload(unfinished)


def describe_part(path: Location) -> Part | None:
    """The part at a path; None where no row was written."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        digest = hashlib.file_digest(file, hashlib.blake2b).hexdigest()[:DIGEST_LENGTH]
        return Part(pq.read_metadata(file).num_rows, digest)


def summarize_table(parts: Iterable[Part]) -> TableFacts:
    """The rows and the fingerprint of a table, from its parts in order; the fingerprint is "0" where there are none."""
    parts = list(parts)
    digests = "\n".join(part.digest for part in parts)
    fingerprint = hashlib.sha256(digests.encode()).hexdigest()[:DIGEST_LENGTH] if parts else "0"
    return TableFacts(sum(part.rows for part in parts), fingerprint)
