"""Mapped rows: what the records of a source become, as blocks of the checkpoint's table `records`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from spark_jobs.schemas import RECORD_FIELDS, RECORDS

Row = Mapping[str, Any]
COMMON = frozenset(("batch", "file", "position", "record_index", "is_first", "entity", "platform"))
"""The columns of every row."""
SELDOM = ("unknown_fields", "issues", "raw")
"""Those that few rows of any entity have."""


def place_rows(rows: Iterable[Row], batch: str, file: str, position: int) -> Iterator[dict[str, Any]]:
    """The rows of one record of a source, which stands at `position` of a file, with their place."""
    where = {"batch": batch, "file": file, "position": position}
    for number, row in enumerate(rows):
        yield {**row, **where, "is_first": number == 0}


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


def _build_columns(entity: str, rows: list[Row]) -> pa.RecordBatch:
    own = COMMON.union(RECORD_FIELDS[entity])
    columns = []
    for field in RECORDS:
        values = [row.get(field.name) for row in rows] if field.name in own or field.name in SELDOM else None
        columns.append(pa.nulls(len(rows), field.type) if values is None else pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=RECORDS)
