"""Clean: documents as text to the tables users, posts, comments, rejected and issues.

Every record of the input has one of three outcomes, and the ledger counts all three: `accepted` (a row of its table),
`superseded` (a later record of the batch has the same key; the ledger's `duplicate`) or `rejected`. One request serves
many batches; records of different batches are never compared.

Each Spark task cleans one part of the Extract checkpoint. Only digests of the keys go through Spark's shuffle, to find
the records of a batch that others supersede; the parts that have some are then divided.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pyspark import SparkContext

from spark_jobs.cleaning.ages import find_median
from spark_jobs.cleaning.parts import (
    ACCEPTED,
    REJECTED,
    SUPERSEDED,
    Division,
    clean_part,
    count_part_ages,
    divide_part,
    take_accepted,
)
from spark_jobs.cleaning.parts import CleanedPart as Facts
from spark_jobs.cleaning.parts import DocumentsPart as Input
from spark_jobs.cleaning.parts import WrittenPart as Written
from spark_jobs.cleaning.parts import add_counts as _add
from spark_jobs.cleaning.superseded import (
    CandidateKeys,
    SupersededRows,
    collect_rows,
    find_superseded,
    split_into_buckets,
)
from spark_jobs.engine import parallel, parquet_parts
from spark_jobs.engine.progress import Progress
from spark_jobs.engine.request_server import Tell
from spark_jobs.schemas import ENTITY_TABLES

BUCKET_BYTES = 16 << 20
"""A task can hold the keys of this much of the Extract checkpoint."""


def run(spark: SparkContext, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Write every table below `staging`, as `batch_no=N/TABLE`, and say what was read and written."""
    staging = Path(request["staging"])
    inputs = [
        Input(number, path, staging)
        for number, batch in enumerate(request["batches"])
        for folder in batch["paths"]
        for path in sorted(Path(folder).glob("*.parquet"))
    ]
    facts, doubles = _clean_all(spark, inputs, tell)
    ages = _median_ages(spark, inputs, doubles) if request["settings"]["impute_age"] else {}
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
    facts_of = parallel.by_batch(facts, facts)
    files_of = parallel.by_batch(inputs, [written[number] for number in range(len(inputs))])
    return {
        "batches": [
            _summary(facts_of.get(number, []), files_of.get(number, [])) for number in range(len(request["batches"]))
        ]
    }


def _clean_all(spark: SparkContext, inputs: list[Input], tell: Tell) -> tuple[list[Facts], dict[int, SupersededRows]]:
    """Clean every part by itself, and find the superseded records of all, by the number of the part."""
    buckets = 1 + sum(one.path.stat().st_size for one in inputs) // BUCKET_BYTES
    progress = Progress(spark, len(inputs), f"{{rows:,}} documents, {{files:,}} of {len(inputs):,} files")
    with progress.told(tell):
        found = (
            spark.parallelize(list(enumerate(inputs)), parallel.slices(spark, inputs))
            .flatMap(partial(_clean_and_count, buckets=buckets, progress=progress))
            .partitionBy(buckets, _take_bucket)
            .mapPartitions(_find_in_bucket)
            .collect()
        )
    superseded = collect_rows(one for one in found if isinstance(one, CandidateKeys))
    return [one for one in found if isinstance(one, Facts)], superseded


def _clean_and_count(
    numbered: tuple[int, Input], buckets: int, progress: Progress
) -> Iterator[tuple[int, Facts | CandidateKeys]]:
    """Clean a part; what was found there and the keys of its candidates, each with the number of its bucket."""
    number, documents = numbered
    cleaned, candidates = clean_part(number, documents)
    progress.add(cleaned.read["documents"], 1)
    yield number % buckets, cleaned
    for keys in candidates:
        yield from split_into_buckets(keys, buckets)


def _take_bucket(bucket: int) -> int:
    """The partition of a bucket: each has its own."""
    return bucket


def _find_in_bucket(bucket: Iterable[tuple[int, Facts | CandidateKeys]]) -> Iterator[Facts | CandidateKeys]:
    """Of the keys in a bucket, those of superseded records. Cleaned parts pass through."""
    candidates = []
    for _, one in bucket:
        if isinstance(one, Facts):
            yield one
        else:
            candidates.append(one)
    yield from find_superseded(candidates)


def _median_ages(
    spark: SparkContext, inputs: list[Input], superseded: dict[int, SupersededRows]
) -> dict[int, int | None]:
    """For each batch the median age of its accepted users."""
    tasks = [(one, superseded.get(number, {})) for number, one in enumerate(inputs)]
    ages: dict[int, np.ndarray] = {}
    for one, of_part in zip(inputs, parallel.spread(spark, tasks, _count_ages), strict=True):
        ages[one.batch_no] = ages.get(one.batch_no, 0) + of_part
    return {batch_no: find_median(of_batch) for batch_no, of_batch in ages.items()}


def _count_ages(task: tuple[Input, SupersededRows]) -> np.ndarray:
    return count_part_ages(*task)


def _finish_all(
    spark: SparkContext, tasks: list[tuple[Input, SupersededRows, int | None]], tell: Tell
) -> list[Written]:
    progress = Progress(spark, len(tasks), f"superseded records taken out of {{files:,}} of {len(tasks):,} files")
    with progress.told(tell):
        return parallel.spread(spark, tasks, partial(_divide_and_count, progress=progress))


def _divide_and_count(task: tuple[Input, SupersededRows, int | None], progress: Progress) -> Written:
    documents, superseded, age = task
    written = divide_part(documents, Division(superseded, age))
    progress.add(files=1)
    return written


def _has_to_be_divided(entity: str, superseded: SupersededRows, age: int | None) -> bool:
    return Division(superseded, age).concerns(entity)


def _take_divided(documents: Input, superseded: SupersededRows, age: int | None) -> None:
    take_accepted(documents, Division(superseded, age))


def _summary(of_batch: list[Facts], files: list[Written]) -> dict[str, Any]:
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
    outcomes: dict[str, dict[str, Any]] = {}
    for entity in ENTITY_TABLES:
        outcomes[entity] = {}
        for outcome in (ACCEPTED, SUPERSEDED):
            sums: dict[str, int] = {}
            there = [found.outcomes[entity][outcome] for found in files if outcome in found.outcomes[entity]]
            for _, more in there:
                _add(sums, more)
            if there:
                outcomes[entity][outcome] = parquet_parts.table_facts(part for part, _ in there) | sums
        if rows := rejected.get("document" if entity == "user" else entity):
            outcomes[entity][REJECTED] = {"rows": rows} | (lost if entity == "post" else {})
    others = {
        table: parquet_parts.table_facts(found.others[table] for found in files if table in found.others)
        for table in ("rejected", "issues")
    }
    drift = set().union(*(one.drift for one in of_batch))
    return {"read": read, "outcomes": outcomes, "tables": others, "drift": sorted(drift)}
