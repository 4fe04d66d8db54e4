"""Extract, Clean and the ledger of batches, in this process, and what has to hold whatever they were given."""

import gc
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from luigi_tasks.quality import ledger
from spark_jobs.cleaning import job as clean
from spark_jobs.extraction import job as extract
from spark_jobs.messages import (
    BatchToClean,
    BatchToExtract,
    CleanCounts,
    CleanRequest,
    ExtractRequest,
    FileFault,
    FileToRead,
    JobProgress,
)
from spark_jobs.schemas import CHECKPOINT_TABLES, ENTITY_TABLES

Json = Any
Row = dict[str, Any]
NATIVE = "native"
"""Decided for all files: some that are made at random would look like those of another source."""
PLACE = ("file", "position", "post_index", "comment_index")


class Rows:
    """As much of an RDD as the jobs use."""

    def __init__(self, *partitions: Iterable[Any]) -> None:
        self._partitions = [list(partition) for partition in partitions]

    def map(self, work: Callable[[Any], Any]) -> "Rows":
        return Rows(*(map(work, partition) for partition in self._partitions))

    def flatMap(self, work: Callable[[Any], Iterable[Any]]) -> "Rows":
        return Rows(*([found for one in partition for found in work(one)] for partition in self._partitions))

    def partitionBy(self, count: int, number_of: Callable[[Any], int]) -> "Rows":
        pairs = self.collect()
        return Rows(*([pair for pair in pairs if number_of(pair[0]) == number] for number in range(count)))

    def mapPartitions(self, work: Callable[[Iterable[Any]], Iterable[Any]]) -> "Rows":
        return Rows(*(work(partition) for partition in self._partitions))

    def collect(self) -> list[Any]:
        return [one for partition in self._partitions for one in partition]


class InThisProcess:
    """As much of a SparkContext as the jobs use: what has to be tried often must not wait for Java."""

    defaultParallelism = 1
    uiWebUrl = None

    def getConf(self) -> dict[str, str]:
        return {}

    def parallelize(self, items: Iterable[Any], slices: int) -> Rows:
        return Rows(items)

    def accumulator(self, value: int) -> "Accumulator":
        return Accumulator(value)


@dataclass
class Accumulator:
    """As much of Spark's as the jobs use."""

    value: int

    def add(self, value: int) -> None:
        self.value += value


@dataclass(frozen=True)
class Ended:
    """What became of a batch: its first broken file, or what Clean counted and wrote."""

    fault: FileFault | None
    counts: CleanCounts
    tables: dict[str, list[Row]]


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, gone afterwards: an example of hypothesis has no fixture of its own."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def run(
    place: Path,
    batches: dict[str, list[Path]],
    spark: Any = None,
    max_unpacked_bytes: int | None = None,
    fill_in_users: bool = False,
) -> dict[str, Ended]:
    """Extract and clean batches (name -> files, in order), building below `place`; in Spark, where one is given."""
    spark = spark or InThisProcess()
    landed = [
        BatchToExtract(name, [FileToRead(path.name, str(path)) for path in files], NATIVE)
        for name, files in batches.items()
    ]
    extracted = extract.run(spark, ExtractRequest(landed, str(place / "extract"), max_unpacked_bytes), _ignore)
    gc.enable()  # which a task of Extract turns off in its process
    faults = [found.fault for found in extracted.batches]
    documents = [
        [] if fault else [str(place / "extract" / f"batch_no={number}" / "documents")]
        for number, fault in enumerate(faults)
    ]
    built = [BatchToClean(name, paths) for name, paths in zip(batches, documents, strict=True)]
    cleaned = clean.run(
        spark, CleanRequest(built, str(place / "clean"), impute_age=False, fill_in_users=fill_in_users), _ignore
    )
    return {
        name: Ended(fault, found.counts, _tables(place / "clean" / f"batch_no={number}"))
        for number, (name, fault, found) in enumerate(zip(batches, faults, cleaned.batches, strict=True))
    }


def _ignore(progress: JobProgress) -> None:
    """How far a job is matters to nobody here."""


def run_file(content: bytes) -> Ended:
    """The same of a batch of one file that holds `content`."""
    with folder() as place:
        (place / "file").write_bytes(content)
        return run(place, {"b": [place / "file"]})["b"]


def _tables(place: Path) -> dict[str, list[Row]]:
    names = [*CHECKPOINT_TABLES, "superseded/users", "superseded/posts", "superseded/comments"]
    return {
        name: [row for path in sorted((place / name).glob("*")) for row in pq.read_table(path).to_pylist()]
        for name in names
    }


def assert_accounted_for(ended: Ended) -> None:
    """A broken file is named with the place and a reason; else the ledger balances, the tables hold what it says,
    and what was rejected is kept with its text and the rules it broke."""
    if ended.fault:
        assert ended.fault.file
        assert ended.fault.byte_offset >= 0
        assert ended.fault.reason
        return
    on_disk = {table: len(rows) for table, rows in ended.tables.items()}
    assert ledger.find_stop_reason(ledger.build_ledger(ended.counts), on_disk, max_rejected_share=1) is None
    rejected = sum(
        of_entity["rejected"].rows for of_entity in ended.counts.outcomes.values() if "rejected" in of_entity
    )
    assert rejected == on_disk["rejected"]
    assert all(row["raw"] is not None and row["rules"] for row in ended.tables["rejected"])
    for entity, table in ENTITY_TABLES.items():
        lost = [row for row in ended.tables["rejected"] if row["entity"] == entity]
        rows = [*ended.tables[table], *ended.tables[f"superseded/{table}"], *lost]
        places = {tuple(row.get(name) for name in PLACE) for row in rows}
        assert len(places) == len(rows), "two records with one place"
    assert "\0" not in json.dumps(list(ended.tables.values()), default=str, ensure_ascii=False)


def accepted(ended: Ended) -> dict[str, list[Row]]:
    """What was accepted, without the place it came from, in an order of its own."""
    places = ("file", "position", "post_index", "comment_index")
    return {
        table: sorted(
            ({name: row[name] for name in row if name not in places} for row in ended.tables[table]), key=repr
        )
        for table in ("users", "posts", "comments")
    }


class Pairs(list[tuple[str, Json]]):
    """The members of an object, also of keys that stand twice."""


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def loaded(text: str) -> Json:
    """The value of a JSON text, with nothing lost: no member, no digit. Raises ValueError."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=refuse)


def counted(documents: list[Json]) -> dict[str, int]:
    """How many documents, posts and comments there are: a plain walk through what `loaded` gives."""
    found = {"documents": len(documents), "posts": 0, "comments": 0}
    for document in documents:
        for post in listed(document, "posts"):
            found["posts"] += 1
            found["comments"] += len(listed(post, "comments"))
    return found


def listed(value: Json, name: str) -> list[Json]:
    """The elements of all lists of that name; a value where a list belongs counts as one, whatever it holds."""
    found: list[Json] = []
    for key, inner in value if isinstance(value, Pairs) else []:
        if key == name and inner is not None:
            found += inner if isinstance(inner, list) and not isinstance(inner, Pairs) else [None]
    return found
