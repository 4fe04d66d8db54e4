"""Mapped rows: what the records of a source become, as blocks of the checkpoint's table `records`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from spark_jobs.schemas import RECORD_FIELDS, RECORDS, REJECTED
from spark_jobs.sources.columns import MadeRows

Row = dict[str, Any]
COMMON = frozenset(("batch", "file", "position", "record_index", "is_counted", "entity", "platform"))
"""The columns of every row."""
SELDOM = ("unknown_fields", "issues", "raw")
"""Those that few rows of any entity have."""
_COLUMNS = [(field.name, field.type) for field in RECORDS]
"""Arrow makes the name of a field anew each time it is asked for, which took as long as all else about a value."""


def place_rows(rows: Iterable[Row], batch: str, file: str, position: int) -> Iterator[dict[str, Any]]:
    """The rows of one record of a source, which stands at `position` of a file, with their place."""
    where = {"batch": batch, "file": file, "position": position}
    for number, row in enumerate(rows):
        yield {**row, **where, "is_counted": number == 0 or row["entity"] == REJECTED}


def settle_rows(rows: list[Row]) -> list[Row]:
    """The rows of one record of a source as they are kept: rejected parts last. Where nothing else is left but the
    author, the author goes with them."""
    rejected = [row for row in rows if row["entity"] == REJECTED]
    if not rejected:
        return rows
    others = [row for row in rows if row["entity"] != REJECTED]
    return rejected if all(row["entity"] == "user" for row in others) else others + rejected


def build_block(rows: Iterable[Row]) -> pa.RecordBatch:
    """A block of RECORDS. Rows of one entity keep their order; those of different ones are put together by entity, so
    that only the columns that an entity has are built from values."""
    by_entity: dict[str, list[Row]] = {entity: [] for entity in RECORD_FIELDS}
    for row in rows:
        by_entity[row["entity"]].append(row)
    blocks = [_build_columns(entity, found) for entity, found in by_entity.items() if found]
    if not blocks:
        return pa.RecordBatch.from_pylist([], RECORDS)
    return pa.concat_batches(blocks)


def build_plain_block(
    made: Sequence[MadeRows], batch: str, file: str, positions: np.ndarray, platform: str | None, unknown: list[str]
) -> pa.RecordBatch:
    """The same of records that were mapped in columns: `positions` are those of the records, `unknown` their unknown
    fields. `made` has the rows of an entity once; of a record, its user's row is the first."""
    by_entity = {rows.entity: rows for rows in made}
    assert len(by_entity) == len(made)
    blocks = []
    is_begun = np.zeros(len(positions), bool)
    for entity in filter(by_entity.__contains__, RECORD_FIELDS):
        rows = by_entity[entity]
        is_first = ~is_begun[rows.records]
        is_begun |= rows.records
        count = len(is_first)
        columns = dict(rows.fields) | {
            "batch": pa.repeat(pa.scalar(batch), count),
            "file": pa.repeat(pa.scalar(file), count),
            "position": pa.array(positions[rows.records]),
            "record_index": pa.repeat(pa.scalar(0, pa.int32()), count),
            "is_counted": pa.array(is_first),
            "entity": pa.repeat(pa.scalar(entity), count),
            "platform": pa.repeat(pa.scalar(platform, pa.string()), count),
        }
        if unknown:
            columns["unknown_fields"] = pa.array([unknown if first else None for first in is_first])
        arrays = [columns[name] if name in columns else pa.nulls(count, kind) for name, kind in _COLUMNS]
        blocks.append(pa.RecordBatch.from_arrays(arrays, schema=RECORDS))
    return pa.concat_batches(blocks)


def _build_columns(entity: str, rows: list[Row]) -> pa.RecordBatch:
    own = COMMON.union(RECORD_FIELDS[entity])
    columns = []
    for name, kind in _COLUMNS:
        values = [row.get(name) for row in rows] if name in own or name in SELDOM else None
        columns.append(pa.nulls(len(rows), kind) if values is None else pa.array(values, kind))
    return pa.RecordBatch.from_arrays(columns, schema=RECORDS)
