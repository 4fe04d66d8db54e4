"""Clean: documents as text to the tables users, posts, comments, rejected and issues.

Every record of the input ends in one of three outcomes, and the ledger counts all three: `accepted` (a row of its
table), `superseded` (another record of the batch with the same key is the truth; the ledger's `duplicate`) or
`rejected`. One request serves many batches; nothing here looks beyond one batch.

Each task takes one part of the Extract checkpoint and leaves the same part of every table. Only the digests of the
keys go through Spark's shuffle, to find the records of a batch that others supersede; the parts that have some are
then divided.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import SparkContext

from spark_jobs.cleaning import records
from spark_jobs.cleaning.rules import OLDEST_AGE
from spark_jobs.engine import parallel, parquet_parts
from spark_jobs.engine.parquet_parts import Part, PartWriter
from spark_jobs.engine.progress import Progress
from spark_jobs.messages.jobs import (
    CleanCounts,
    CleanedBatch,
    CleanRequest,
    CleanResult,
    EntityOutcome,
    TableFacts,
    Tell,
)
from spark_jobs.schemas import CHECKPOINT_TABLES, ENTITY_TABLES, MEASURES

ACCEPTED, SUPERSEDED, REJECTED = "accepted", "superseded", "rejected"
DOCUMENTS_A_BLOCK = 2_000
BUCKET_BYTES = 16 << 20
"""So much of the Extract checkpoint has keys that a task easily holds."""


@dataclass(frozen=True)
class Input:
    """A part of the documents of a batch."""

    batch_no: int
    path: Path
    staging: Path

    def output(self, table: str) -> Path:
        """Where a table's part is written."""
        return self.staging / f"batch_no={self.batch_no}" / table / self.path.name


@dataclass(frozen=True)
class Written:
    """What lies in the files of one part: by entity and outcome the part and its sums, and the other tables."""

    outcomes: dict[str, dict[str, tuple[Part, dict[str, int]]]]
    rejected: dict[str, int]
    others: dict[str, Part]


@dataclass(frozen=True)
class Facts:
    """What a part holds, counted in its documents, the sums of its rejected posts, its unknown fields, and what is
    written of it as if nothing were superseded."""

    part: int
    batch_no: int
    read: dict[str, int]
    rejected: dict[str, int]
    drift: set[str]
    written: Written


@dataclass(frozen=True)
class Keys:
    """Keys of the candidates of an entity in one part (by its number among all parts), and their rows there."""

    entity: str
    batch_no: int
    part: int
    keys: np.ndarray
    rows: np.ndarray


Doubles = dict[str, np.ndarray]
"""By entity: the rows of a part's candidates that later records supersede."""


def run(spark: SparkContext, request: CleanRequest, tell: Tell) -> CleanResult:
    """Write every table below `staging`, as `batch_no=N/TABLE`, and say what was read and written."""
    staging = Path(request.staging)
    inputs = [
        Input(number, path, staging)
        for number, batch in enumerate(request.batches)
        for folder in batch.paths
        for path in sorted(Path(folder).glob("*.parquet"))
    ]
    facts, doubles = _clean_all(spark, inputs, tell)
    ages = _median_ages(spark, inputs, doubles) if request.impute_age else {}
    written = {one.part: one.written for one in facts}
    tasks = [(one, doubles.get(number, {}), ages.get(one.batch_no)) for number, one in enumerate(inputs)]
    divided = {
        number: task
        for number, task in enumerate(tasks)
        if any(_has_to_be_divided(entity, *task[1:]) for entity in ENTITY_TABLES)
    }
    if divided:
        written |= dict(zip(divided, _finish_all(spark, list(divided.values()), tell), strict=True))
    for task in divided.values():
        _take_divided(*task)
    facts_of = parallel.group_by_batch(facts, facts)
    files_of = parallel.group_by_batch(inputs, [written[number] for number in range(len(inputs))])
    return CleanResult(
        [_summarize_batch(facts_of.get(number, []), files_of.get(number, [])) for number in range(len(request.batches))]
    )


def _clean_all(spark: SparkContext, inputs: list[Input], tell: Tell) -> tuple[list[Facts], dict[int, Doubles]]:
    """Clean every part by itself, and find the superseded records of all, by the number of the part."""
    buckets = 1 + sum(one.path.stat().st_size for one in inputs) // BUCKET_BYTES
    progress = Progress(spark, len(inputs), f"{{rows:,}} documents, {{files:,}} of {len(inputs):,} files")
    with progress.reported(tell):
        found = (
            spark.parallelize(list(enumerate(inputs)), parallel.count_tasks(spark, inputs))
            .flatMap(partial(_clean, buckets=buckets, progress=progress))
            .partitionBy(buckets, _same)
            .mapPartitions(_superseded)
            .collect()
        )
    doubles: dict[int, Doubles] = {}
    for one in found:
        if isinstance(one, Keys):
            of_part = doubles.setdefault(one.part, {})
            of_part[one.entity] = np.concatenate([of_part.get(one.entity, one.rows[:0]), one.rows])
    return [one for one in found if isinstance(one, Facts)], doubles


def _clean(numbered: tuple[int, Input], buckets: int, progress: Progress) -> Iterator[tuple[int, Facts | Keys]]:
    """Write a part of every table as if nothing were superseded. Gives keys and facts, each with its bucket."""
    number, part = numbered
    read = dict.fromkeys(("documents", "users", "posts", "comments", *MEASURES), 0)
    lost = dict.fromkeys(MEASURES, 0)
    drift: set[str] = set()
    found: dict[str, list[np.ndarray]] = {entity: [] for entity in ENTITY_TABLES}
    with ExitStack() as stack:
        writers = {
            table: stack.enter_context(PartWriter(part.staging, part.output(table), schema))
            for table, schema in CHECKPOINT_TABLES.items()
        }
        for documents in pq.ParquetFile(part.path).iter_batches(DOCUMENTS_A_BLOCK):
            _add(read, records.read_counts(documents))
            drift.update(documents["unknown_fields"].flatten().to_pylist())
            for entity, records_of in records.ENTITIES.items():
                found_here = records_of(documents)
                is_rejected = pa.array(found_here.is_rejected())
                candidates = found_here.table.filter(pc.invert(is_rejected))
                writers[ENTITY_TABLES[entity]].write(candidates)
                writers["rejected"].write(records.rejected(found_here))
                writers["issues"].write(records.issues(found_here))
                found[entity].append(records.keys(entity, candidates))
                if entity == "post":
                    _add(read, _sums(found_here.table))
                    _add(lost, _sums(found_here.table.filter(is_rejected)))
    progress.add(read["documents"], 1)
    yield number % buckets, Facts(number, part.batch_no, read, lost, drift, _finish((part, {}, None)))
    for entity, blocks in found.items():
        keys = np.concatenate(blocks)
        bucket_of = keys[:, 0] % np.uint64(buckets)
        for bucket in range(buckets):
            rows = np.flatnonzero(bucket_of == bucket)
            if len(rows):
                yield bucket, Keys(entity, part.batch_no, number, keys[rows], rows)


def _same(bucket: int) -> int:
    return bucket


def _superseded(bucket: Iterable[tuple[int, Facts | Keys]]) -> Iterator[Facts | Keys]:
    """Of all keys in a bucket, those of the superseded records. Facts pass through."""
    groups: dict[tuple[int, str], list[Keys]] = {}
    for _, one in bucket:
        if isinstance(one, Facts):
            yield one
        else:
            groups.setdefault((one.batch_no, one.entity), []).append(one)
    for group in groups.values():
        group.sort(key=lambda one: one.part)
        doubles = records.superseded(np.concatenate([one.keys for one in group]))
        start = 0
        for one in group:
            first, last = np.searchsorted(doubles, [start, start := start + len(one.rows)])
            if first < last:
                here = doubles[first:last] - (start - len(one.rows))
                yield Keys(one.entity, one.batch_no, one.part, one.keys[here], one.rows[here])


def _median_ages(spark: SparkContext, inputs: list[Input], doubles: dict[int, Doubles]) -> dict[int, int | None]:
    """For each batch the median age of its accepted users."""
    tasks = [(one, doubles.get(number, {})) for number, one in enumerate(inputs)]
    ages: dict[int, np.ndarray] = {}
    for one, of_part in zip(inputs, parallel.run_on_each(spark, tasks, _ages), strict=True):
        ages[one.batch_no] = ages.get(one.batch_no, 0) + of_part
    return {batch_no: records.median(of_batch) for batch_no, of_batch in ages.items()}


def _ages(task: tuple[Input, Doubles]) -> np.ndarray:
    """How many accepted users of a part have which age."""
    part, doubles = task
    path = part.output("users")
    ages = np.zeros(OLDEST_AGE + 1, "int64")
    for users, is_double in _candidates(path, doubles.get("user")):
        known = users.filter(pc.invert(is_double))["age"].drop_null()
        ages += np.bincount(known.to_numpy(), minlength=len(ages))
    return ages


def _finish_all(spark: SparkContext, tasks: list[tuple[Input, Doubles, int | None]], tell: Tell) -> list[Written]:
    progress = Progress(spark, len(tasks), f"superseded records taken out of {{files:,}} of {len(tasks):,} files")
    with progress.reported(tell):
        return parallel.run_on_each(spark, tasks, partial(_finish_and_count, progress=progress))


def _finish_and_count(task: tuple[Input, Doubles, int | None], progress: Progress) -> Written:
    written = _finish(task)
    progress.add(files=1)
    return written


def _finish(task: tuple[Input, Doubles, int | None]) -> Written:
    """Divide the candidates of a part, where it has superseded ones or ages to fill in; tell what is in its files."""
    part, doubles, age = task
    outcomes: dict[str, dict[str, tuple[Part, dict[str, int]]]] = {}
    for entity, table in ENTITY_TABLES.items():
        accepted, superseded = part.output(table), part.output(f"{SUPERSEDED}/{table}")
        if _has_to_be_divided(entity, doubles, age):
            accepted = part.output(f"{ACCEPTED}/{table}")
            _divide(part, table, doubles.get(entity), age if entity == "user" else None)
        outcomes[entity] = {
            outcome: (found, _sums_of_file(path) if entity == "post" else {})
            for outcome, path in ((ACCEPTED, accepted), (SUPERSEDED, superseded))
            if (found := parquet_parts.look(path))
        }
    others = {table: found for table in ("rejected", "issues") if (found := parquet_parts.look(part.output(table)))}
    return Written(outcomes, _rejected_entities(part.output("rejected")), others)


def _has_to_be_divided(entity: str, doubles: Doubles, age: int | None) -> bool:
    return entity in doubles or (entity == "user" and age is not None)


def _take_divided(part: Input, doubles: Doubles, age: int | None) -> None:
    """Put what was accepted of a divided part in the place of the candidates."""
    for entity, table in ENTITY_TABLES.items():
        if _has_to_be_divided(entity, doubles, age):
            part.output(table).unlink(missing_ok=True)
            if (accepted := part.output(f"{ACCEPTED}/{table}")).exists():
                os.replace(accepted, part.output(table))


def _divide(part: Input, table: str, doubles: np.ndarray | None, age: int | None) -> None:
    schema = CHECKPOINT_TABLES[table]
    with (
        PartWriter(part.staging, part.output(f"{ACCEPTED}/{table}"), schema) as accepted,
        PartWriter(part.staging, part.output(f"{SUPERSEDED}/{table}"), schema) as superseded,
    ):
        for rows, is_double in _candidates(part.output(table), doubles):
            kept = rows.filter(pc.invert(is_double))
            accepted.write(kept if age is None else records.with_age(kept, age))
            superseded.write(rows.filter(is_double))


def _candidates(path: Path, doubles: np.ndarray | None) -> Iterator[tuple[pa.Table, pa.BooleanArray]]:
    """The rows of a part, a block at a time, and which of them are superseded."""
    if not path.exists():
        return
    start = 0
    for block in pq.ParquetFile(path).iter_batches():
        numbers = np.arange(start, start := start + len(block))
        yield pa.table(block), pa.array(np.isin(numbers, [] if doubles is None else doubles))


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _sums(posts: pa.Table) -> dict[str, int]:
    return {measure: pc.sum(posts[measure]).as_py() or 0 for measure in MEASURES}


def _sums_of_file(path: Path) -> dict[str, int]:
    total = dict.fromkeys(MEASURES, 0)
    for block in pq.ParquetFile(path).iter_batches(columns=list(MEASURES)):
        _add(total, _sums(pa.table(block)))
    return total


def _rejected_entities(path: Path) -> dict[str, int]:
    """How many records of which entity lie among the rejected ones of a part."""
    if not path.exists():
        return {}
    counted = pc.value_counts(pq.read_table(path, columns=["entity"])["entity"])
    return {one["values"]: one["counts"] for one in counted.to_pylist()}


def _summarize_batch(of_batch: list[Facts], files: list[Written]) -> CleanedBatch:
    """For a batch the counts that the ledger balances, and its tables' rows and fingerprints.

    `read` was counted in the documents, everything else in what was written, so that a record lost between the two
    shows.
    """
    read: dict[str, int] = {}
    lost: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for one in of_batch:
        _add(read, one.read)
        _add(lost, one.rejected)
    for found in files:
        _add(rejected, found.rejected)
    outcomes: dict[str, dict[str, EntityOutcome]] = {}
    for entity in ENTITY_TABLES:
        written = {outcome: _summarize_outcome(files, entity, outcome) for outcome in (ACCEPTED, SUPERSEDED)}
        outcomes[entity] = {outcome: found for outcome, found in written.items() if found is not None}
        if rows := rejected.get("document" if entity == "user" else entity):
            outcomes[entity][REJECTED] = EntityOutcome(rows, "", lost if entity == "post" else {})
    drift: set[str] = set().union(*(one.drift for one in of_batch))
    return CleanedBatch(CleanCounts(read, outcomes, sorted(drift)), _summarize_tables(files, outcomes))


def _summarize_outcome(files: list[Written], entity: str, outcome: str) -> EntityOutcome | None:
    """The records of an entity that had an outcome, by the files they were written to; None where there are none."""
    found = [file.outcomes[entity][outcome] for file in files if outcome in file.outcomes[entity]]
    if not found:
        return None
    sums: dict[str, int] = {}
    for _, of_part in found:
        _add(sums, of_part)
    facts = parquet_parts.table_facts(part for part, _ in found)
    return EntityOutcome(facts.rows, facts.fingerprint, sums)


def _summarize_tables(files: list[Written], outcomes: dict[str, dict[str, EntityOutcome]]) -> dict[str, TableFacts]:
    tables: dict[str, TableFacts] = {}
    for entity, table in ENTITY_TABLES.items():
        accepted = outcomes[entity].get(ACCEPTED)
        tables[table] = TableFacts(accepted.rows, accepted.fingerprint) if accepted else TableFacts(0, "0")
    for table in ("rejected", "issues"):
        tables[table] = parquet_parts.table_facts(file.others[table] for file in files if table in file.others)
    return tables
