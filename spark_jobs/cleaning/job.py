"""Clean: documents as text to the tables users, posts, comments, rejected and issues.

Every record of the input has one of three outcomes, and the ledger counts all three: `accepted` (a row of its table),
`superseded` (a later record of the batch has the same key; the ledger's `duplicate`) or `rejected`. One request serves
many batches; records of different batches are never compared.

Each Spark task cleans one part of the Extract checkpoint. Only digests of the keys go through Spark's shuffle, to find
the records of a batch that others supersede; the parts that have some are then divided.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from pyspark import SparkContext

from spark_jobs.cleaning.ages import find_median
from spark_jobs.cleaning.partial_users import UserRows, find_last_known, join_users, split_users
from spark_jobs.cleaning.parts import (
    CleanedPart,
    Division,
    DocumentsPart,
    WrittenPart,
    clean_part,
    count_part_ages,
    divide_part,
    read_users,
    take_accepted,
)
from spark_jobs.cleaning.summary import summarize_batch
from spark_jobs.cleaning.superseded import (
    CandidateKeys,
    SupersededRows,
    collect_rows,
    find_superseded,
    split_into_buckets,
)
from spark_jobs.engine import parallel
from spark_jobs.engine.progress import Progress
from spark_jobs.messages.jobs import CleanRequest, CleanResult, Tell, locate_outputs
from spark_jobs.storage import list_parquet, map_at_once, read_location

BUCKET_BYTES = 16 << 20
"""A task can hold the keys of this much of the Extract checkpoint."""


def run(spark: SparkContext, request: CleanRequest, tell: Tell) -> CleanResult:
    """Write every table of every batch below its output, and say what was read and written."""
    parts = _list_parts(request)
    cleaned, superseded = _clean_all(spark, parts, tell)
    filled = _fill_in_users(spark, parts, superseded) if request.fill_in_users else {}
    written = {part.number: part.written for part in cleaned}
    divisions = {
        number: Division(part, superseded.get(number, {}), filled.get(number)) for number, part in enumerate(parts)
    }
    if request.impute_age:
        ages = _find_median_ages(spark, list(divisions.values()))
        divisions = {
            number: replace(division, age=ages[division.documents.batch_no]) for number, division in divisions.items()
        }
    needed = {number: division for number, division in divisions.items() if division.is_needed()}
    if needed:
        written |= dict(zip(needed, _divide_all(spark, list(needed.values()), tell), strict=True))
    map_at_once(take_accepted, needed.values())
    cleaned_of = parallel.group_by_batch(cleaned, cleaned)
    written_of = parallel.group_by_batch(parts, [written[number] for number in range(len(parts))])
    numbers = range(len(request.batches))
    return CleanResult([summarize_batch(cleaned_of.get(number, []), written_of.get(number, [])) for number in numbers])


def _list_parts(request: CleanRequest) -> list[DocumentsPart]:
    parts = []
    for number, (batch, output) in enumerate(zip(request.batches, locate_outputs(request), strict=True)):
        sizes = {path: size for folder in batch.paths for path, size in list_parquet(read_location(folder)).items()}
        parts += [
            DocumentsPart(number, path, sizes[path], output, Path(request.staging))
            for path in sorted(sizes, key=lambda path: path.name)
        ]
    return parts


def _count_buckets(parts: list[DocumentsPart]) -> int:
    return 1 + sum(part.size for part in parts) // BUCKET_BYTES


def _clean_all(
    spark: SparkContext, parts: list[DocumentsPart], tell: Tell
) -> tuple[list[CleanedPart], dict[int, SupersededRows]]:
    """Clean every part by itself, and find the superseded records of all, by the number of the part."""
    buckets = _count_buckets(parts)
    progress = Progress(spark, len(parts), f"{{rows:,}} documents, {{files:,}} of {len(parts):,} files")
    with progress.reported(tell):
        found = (
            spark.parallelize(list(enumerate(parts)), parallel.count_tasks(spark, parts))
            .flatMap(partial(_clean_and_count, buckets=buckets, progress=progress))
            .partitionBy(buckets, _take_bucket)
            .mapPartitions(_find_in_bucket)
            .collect()
        )
    superseded = collect_rows(each for each in found if isinstance(each, CandidateKeys))
    return [each for each in found if isinstance(each, CleanedPart)], superseded


def _clean_and_count(
    numbered: tuple[int, DocumentsPart], buckets: int, progress: Progress
) -> Iterator[tuple[int, CleanedPart | CandidateKeys]]:
    """Clean a part; gives it and the keys of its candidates, each with the number of its bucket."""
    number, documents = numbered
    cleaned, candidates = clean_part(number, documents)
    progress.add(cleaned.read["documents"], 1)
    yield number % buckets, cleaned
    for keys in candidates:
        yield from split_into_buckets(keys, buckets)


def _take_bucket(bucket: int) -> int:
    """The partition of a bucket: each has its own."""
    return bucket


def _find_in_bucket(bucket: Iterable[tuple[int, CleanedPart | CandidateKeys]]) -> Iterator[CleanedPart | CandidateKeys]:
    """Of the keys in a bucket, those of superseded records. Cleaned parts pass through."""
    candidates = []
    for _, each in bucket:
        if isinstance(each, CleanedPart):
            yield each
        else:
            candidates.append(each)
    yield from find_superseded(candidates)


def _fill_in_users(
    spark: SparkContext, parts: list[DocumentsPart], superseded: dict[int, SupersededRows]
) -> dict[int, UserRows]:
    """By the number of their part, the users of which earlier records of their batch know more."""
    batches = {parts[number].batch_no for number, of_part in superseded.items() if "user" in of_part}
    concerned = [(number, part) for number, part in enumerate(parts) if part.batch_no in batches]
    if not concerned:
        return {}
    buckets = _count_buckets([part for _, part in concerned])
    found: dict[int, list[UserRows]] = {}
    for users in (
        spark.parallelize(concerned, parallel.count_tasks(spark, concerned))
        .flatMap(partial(_split_users, buckets=buckets))
        .partitionBy(buckets, _take_bucket)
        .mapPartitions(_fill_in_bucket)
        .collect()
    ):
        found.setdefault(users.part, []).append(users)
    return {number: join_users(of_part) for number, of_part in found.items()}


def _split_users(numbered: tuple[int, DocumentsPart], buckets: int) -> Iterator[tuple[int, UserRows]]:
    number, documents = numbered
    users = read_users(documents)
    return split_users(documents.batch_no, number, users, buckets) if users is not None else iter(())


def _fill_in_bucket(bucket: Iterable[tuple[int, UserRows]]) -> Iterator[UserRows]:
    return find_last_known(users for _, users in bucket)


def _find_median_ages(spark: SparkContext, divisions: list[Division]) -> dict[int, int | None]:
    """For each batch the median age of its accepted users."""
    counts: dict[int, np.ndarray] = {}
    for division, of_part in zip(divisions, parallel.run_on_each(spark, divisions, count_part_ages), strict=True):
        batch_no = division.documents.batch_no
        counts[batch_no] = counts.get(batch_no, 0) + of_part
    return {batch_no: find_median(of_batch) for batch_no, of_batch in counts.items()}


def _divide_all(spark: SparkContext, divisions: list[Division], tell: Tell) -> list[WrittenPart]:
    text = f"superseded records taken out of {{files:,}} of {len(divisions):,} files"
    progress = Progress(spark, len(divisions), text)
    with progress.reported(tell):
        return parallel.run_on_each(spark, divisions, partial(_divide_and_count, progress=progress))


def _divide_and_count(division: Division, progress: Progress) -> WrittenPart:
    written = divide_part(division)
    progress.add(files=1)
    return written
