"""Superseded records: those whose key comes again later in the batch.

The keys of all parts meet in buckets: all equal ones in the same bucket, each small enough for a task.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spark_jobs.cleaning.records import KEY_COLUMNS
from spark_jobs.cleaning.values import digest_rows, qualify_keys, read_digests

SupersededRows = dict[str, np.ndarray]
"""By entity: the numbers of the rows of a part that are superseded."""


@dataclass(frozen=True)
class CandidateKeys:
    """The keys of records of an entity that were not rejected, and the numbers of their rows in their part; `part` is
    its number among all parts of all batches."""

    entity: str
    batch_no: int
    part: int
    keys: np.ndarray
    rows: np.ndarray


def digest_keys(entity: str, candidates: pa.Table) -> np.ndarray:
    """The keys of records as 16 bytes each: an array of pairs of numbers. Of two with the same key, the later one
    supersedes the other."""
    if entity == "comment":
        digests = read_digests(candidates["comment_key"])
    else:
        keys = candidates[KEY_COLUMNS[entity]].combine_chunks()
        digests = digest_rows(qualify_keys(candidates["platform"].combine_chunks(), keys))
    return np.frombuffer(digests, "u8").reshape(-1, 2)


def split_into_buckets(candidates: CandidateKeys, buckets: int) -> Iterator[tuple[int, CandidateKeys]]:
    """The same keys by the number of their bucket."""
    bucket_of = candidates.keys[:, 0] % np.uint64(buckets)
    for bucket in range(buckets):
        chosen = np.flatnonzero(bucket_of == bucket)
        if len(chosen):
            yield bucket, _choose(candidates, chosen)


def find_superseded(bucket: Iterable[CandidateKeys]) -> Iterator[CandidateKeys]:
    """Of the keys in a bucket, those of superseded records."""
    groups: dict[tuple[int, str], list[CandidateKeys]] = {}
    for candidates in bucket:
        groups.setdefault((candidates.batch_no, candidates.entity), []).append(candidates)
    for group in groups.values():
        yield from _find_in_group(sorted(group, key=lambda candidates: candidates.part))


def _find_in_group(group: list[CandidateKeys]) -> Iterator[CandidateKeys]:
    """The same for the keys of one entity of one batch, in the order of their parts."""
    repeated = find_repeated(np.concatenate([candidates.keys for candidates in group]))
    start = 0
    for candidates in group:
        end = start + len(candidates.rows)
        first, last = np.searchsorted(repeated, [start, end])
        if first < last:
            yield _choose(candidates, repeated[first:last] - start)
        start = end


def find_repeated(keys: np.ndarray) -> np.ndarray:
    """The numbers, ascending, of keys that come again; `keys` are in the order of their records."""
    ordered = np.sort(keys[:, 0])
    repeated_halves = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    suspects = np.flatnonzero(np.isin(keys[:, 0], repeated_halves))
    order = suspects[np.lexsort((keys[suspects, 1], keys[suspects, 0]))]
    comes_again = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
    return np.sort(order[:-1][comes_again])


def collect_rows(found: Iterable[CandidateKeys]) -> dict[int, SupersededRows]:
    """The superseded rows of all buckets, by the number of their part."""
    rows: dict[int, SupersededRows] = {}
    for superseded in found:
        of_part = rows.setdefault(superseded.part, {})
        earlier = of_part.get(superseded.entity, superseded.rows[:0])
        of_part[superseded.entity] = np.concatenate([earlier, superseded.rows])
    return rows


def _choose(candidates: CandidateKeys, chosen: np.ndarray) -> CandidateKeys:
    return CandidateKeys(
        candidates.entity, candidates.batch_no, candidates.part, candidates.keys[chosen], candidates.rows[chosen]
    )
