"""Blocks: how the Parquet files of checkpoints are read, so that memory is bounded by bytes and not by rows alone.

The Spark jobs and the loader share it. A row group is what its writer had in memory at once; small ones are read
together.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.storage import Location, open_parquet

BLOCK_BYTES = 16 << 20
"""A block holds at most this many bytes of texts, or one row group where that is larger: a document of many MB."""


def read_blocks(path: Location, max_rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in order, in blocks of `max_rows` and BLOCK_BYTES at most; only these columns, if any
    are named."""
    with open_parquet(path) as file:
        for row_groups in _group_by_bytes(file.metadata):
            yield from file.iter_batches(max_rows, row_groups=row_groups, columns=columns)


def _group_by_bytes(metadata: pq.FileMetaData) -> Iterator[list[int]]:
    """Yield the numbers of adjacent row groups that have BLOCK_BYTES together, unpacked; a larger one stands alone."""
    group: list[int] = []
    size = 0
    for number in range(metadata.num_row_groups):
        of_this = metadata.row_group(number).total_byte_size
        if group and size + of_this > BLOCK_BYTES:
            yield group
            group, size = [], 0
        group.append(number)
        size += of_this
    if group:
        yield group
