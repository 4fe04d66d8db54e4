"""Partial users: what the last record of a user in a batch lacks is filled in from earlier ones, where configured.

Each field takes its last known value by file and position. The users of all parts meet in buckets, by their keys; only
those are kept that come more than once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning.records import build_table
from spark_jobs.cleaning.superseded import digest_keys
from spark_jobs.schemas import USER_FIELDS


@dataclass(frozen=True)
class UserRows:
    """Users of a part (its number among all parts): the numbers of their rows, ascending, their keys, their fields."""

    batch_no: int
    part: int
    rows: np.ndarray
    keys: np.ndarray
    fields: pa.Table

    def choose(self, chosen: np.ndarray) -> "UserRows":
        """Some of them."""
        return UserRows(self.batch_no, self.part, self.rows[chosen], self.keys[chosen], self.fields.take(chosen))


def split_users(batch_no: int, part: int, users: pa.Table, buckets: int) -> Iterator[tuple[int, UserRows]]:
    """The users of a part, with the number of their bucket."""
    keys = digest_keys("user", users)
    whole = UserRows(batch_no, part, np.arange(len(keys)), keys, users.select(USER_FIELDS))
    bucket_of = keys[:, 0] % np.uint64(buckets)
    for bucket in np.unique(bucket_of).tolist():
        yield bucket, whole.choose(np.flatnonzero(bucket_of == bucket))


def find_last_known(bucket: Iterable[UserRows]) -> Iterator[UserRows]:
    """Of the users in a bucket that come more than once in their batch, the last records, with the last known value of
    each field."""
    batches: dict[int, list[UserRows]] = {}
    for users in bucket:
        batches.setdefault(users.batch_no, []).append(users)
    for of_batch in batches.values():
        yield from _find_in_batch(sorted(of_batch, key=lambda users: users.part))


def _find_in_batch(parts: list[UserRows]) -> Iterator[UserRows]:
    keys = np.concatenate([users.keys for users in parts])
    fields = pa.concat_tables(users.fields for users in parts)
    order = np.lexsort((np.arange(len(keys)), keys[:, 1], keys[:, 0]))
    is_same = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
    starts = np.flatnonzero(np.concatenate([[True], ~is_same]))
    ends = np.concatenate([starts[1:], [len(order)]]) - 1
    starts, ends = starts[starts < ends], ends[starts < ends]
    last = np.sort(order[ends])
    by_place = np.argsort(order[ends])
    found = pa.table({name: _take_last_known(fields[name], order, starts, ends).take(by_place) for name in USER_FIELDS})
    first = 0
    for users in parts:
        end = first + len(users.rows)
        chosen = slice(*np.searchsorted(last, [first, end]).tolist())
        if chosen.start < chosen.stop:
            of_part = users.choose(last[chosen] - first)
            known = found.slice(chosen.start, chosen.stop - chosen.start)
            yield UserRows(of_part.batch_no, of_part.part, of_part.rows, of_part.keys, known)
        first = end


def _take_last_known(values: pa.ChunkedArray, order: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    """The last value that is not null of each group: those at the places `order` from a start to an end."""
    is_known = pc.is_valid(values).to_numpy()[order]
    known = np.maximum.accumulate(np.where(is_known, np.arange(len(order)), -1))[ends]
    places = pa.array(order[np.maximum(known, 0)], mask=known < starts)
    return values.combine_chunks().take(places)


def join_users(found: Sequence[UserRows]) -> UserRows:
    """The users of one part, from several buckets, in the order of their rows."""
    first = found[0]
    rows, keys = (np.concatenate(each) for each in ([users.rows for users in found], [users.keys for users in found]))
    fields = pa.concat_tables(users.fields for users in found)
    joined = UserRows(first.batch_no, first.part, rows, keys, fields)
    return joined.choose(np.argsort(rows))


def fill_in_fields(users: pa.Table, start: int, filled: UserRows | None) -> pa.Table:
    """A block of users of a part, whose first row has the number `start`, with the fields that were filled in."""
    if filled is None:
        return users
    first, last = np.searchsorted(filled.rows, [start, start + len(users)])
    places = np.arange(len(users))
    places[filled.rows[first:last] - start] = len(users) + np.arange(first, last)
    columns = {name: users[name] for name in users.column_names}
    for name in USER_FIELDS:
        both = pa.concat_arrays([users[name].combine_chunks(), filled.fields[name].combine_chunks()])
        columns[name] = both.take(places)
    return build_table("users", columns)
