"""What Extract and Clean are asked for, and what they answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spark_jobs.storage import Location, read_location

MAX_DOCUMENT_BYTES = 256 << 20
"""How long a document may be unless a request says otherwise: it takes some fifteen times as much memory in a task."""


@dataclass(frozen=True)
class FileToRead:
    """A landing file: its name within the batch, and its path as the executors see it.

    Below `folder`, where one is named, no link is followed.
    """

    name: str
    path: str
    folder: str | None = None


@dataclass(frozen=True)
class BatchToExtract:
    """A batch, its files in the order in which they are read, and the source they are of ("": what each looks like).

    `output` is the location below which its tables are written (see `storage.write_location`); "": a folder of
    `staging`.
    """

    name: str
    files: Sequence[FileToRead]
    source: str = ""
    output: str = ""


@dataclass(frozen=True)
class ExtractRequest:
    """Read batches into Parquet, as `documents` and `records` below the output of each; that is `batch_no=N` below the
    folder `staging`, where it names none. Parts that are still being written are in `staging`, too, unless they go to a
    store. A compressed file may unpack to `max_unpacked_bytes` (None: to any number). A longer document than
    `max_document_bytes` breaks its file; no limit below 64 MiB counts. `source_tables` are the texts of tables of
    sources besides ours, by name; `keeps_private` says whether records that are not public are taken, too.
    """

    batches: Sequence[BatchToExtract]
    staging: str
    max_unpacked_bytes: int | None
    max_document_bytes: int = MAX_DOCUMENT_BYTES
    source_tables: Mapping[str, str] = field(default_factory=dict)
    keeps_private: bool = False


@dataclass(frozen=True)
class FileFault:
    """A file that is broken as a whole: its name within the batch, the byte of its unpacked text (None: it could not
    be read), and the reason."""

    file: str
    byte_offset: int | None
    reason: str


@dataclass(frozen=True)
class TableFacts:
    """A table as written: its rows, and a fingerprint of its content ("0" where it is empty)."""

    rows: int
    fingerprint: str


@dataclass(frozen=True)
class ExtractedBatch:
    """What was read of a batch: its documents, its mapped records, or the first of its files that is broken. `found`:
    by source and mapped path, how often it was found. `unknown_files`: members of archives that are of no source."""

    documents: TableFacts
    records: TableFacts
    fault: FileFault | None
    found: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unknown_files: Sequence[str] = ()


@dataclass(frozen=True)
class ExtractResult:
    """The batches of the request, in its order."""

    batches: Sequence[ExtractedBatch]


@dataclass(frozen=True)
class BatchToClean:
    """A batch, and the folders that hold the Parquet parts of its documents and of its mapped records.

    `output` is the location below which its tables are written, as of a BatchToExtract; so are `paths` locations.
    """

    name: str
    paths: Sequence[str]
    output: str = ""


@dataclass(frozen=True)
class CleanRequest:
    """Clean the documents of batches into tables below the output of each, as an ExtractRequest says.

    `impute_age`: a missing age becomes the median of the batch. `fill_in_users`: each field that the last record of a
    user in the batch lacks takes its last known value.
    """

    batches: Sequence[BatchToClean]
    staging: str
    impute_age: bool
    fill_in_users: bool


@dataclass(frozen=True)
class EntityOutcome:
    """The records of an entity that had one outcome (accepted, superseded or rejected): how many, the fingerprint of
    their table ("" where they have none of their own), and, of posts and comments, the sums of their measures by
    name."""

    rows: int
    fingerprint: str
    sums: Mapping[str, int]


@dataclass(frozen=True)
class CleanCounts:
    """What the ledger balances.

    `read`: records by table, and sums by measure (of comments: `comment.likes`), counted in the documents. `outcomes`:
    by entity, then by outcome, counted in the files that were written. `drift`: names of the fields that no schema
    announced. `skipped`: what was left out on purpose, by entity and reason (`post.repost`).
    """

    read: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, EntityOutcome]]
    drift: Sequence[str]
    skipped: Mapping[str, int] = field(default_factory=dict)


def name_read_sum(entity: str, measure: str) -> str:
    """The name of a sum in `CleanCounts.read`."""
    return measure if entity == "post" else f"{entity}.{measure}"


@dataclass(frozen=True)
class CleanedBatch:
    """What was written of a batch: its counts, and its tables by name."""

    counts: CleanCounts
    tables: Mapping[str, TableFacts]


@dataclass(frozen=True)
class CleanResult:
    """The batches of the request, in its order."""

    batches: Sequence[CleanedBatch]


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: `done` of `total` pieces of work, in words, and the address of Spark's page, if it has one."""

    done: int
    total: int
    status: str
    url: str | None


def locate_outputs(request: ExtractRequest | CleanRequest) -> list[Location]:
    """Return where the tables of each batch of a request are written."""
    batches: Sequence[BatchToExtract | BatchToClean] = request.batches
    return [
        read_location(batch.output) if batch.output else Path(request.staging) / f"batch_no={number}"
        for number, batch in enumerate(batches)
    ]


Tell = Callable[[JobProgress], None]
"""Takes news of a job's progress."""
