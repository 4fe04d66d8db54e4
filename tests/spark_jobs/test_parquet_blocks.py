"""Parquet files are read in blocks whose bytes are bounded, whatever their rows hold."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs import parquet_blocks
from spark_jobs.parquet_blocks import read_blocks


@pytest.fixture
def write(tmp_path):
    """Writes texts of some lengths, a row group for each list."""

    def write_file(*row_groups: list[int]):
        path = tmp_path / "part.parquet"
        schema = pa.schema([("number", pa.int64()), ("text", pa.string())])
        rows = 0
        with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
            for lengths in row_groups:
                numbers = range(rows, rows := rows + len(lengths))
                writer.write(pa.table([list(numbers), ["x" * length for length in lengths]], schema=schema))
        return path

    return write_file


def read_numbers(*arguments):
    return [block["number"].to_pylist() for block in read_blocks(*arguments)]


def test_read_blocks__joins_small_row_groups(write):
    assert read_numbers(write([1, 1], [1], [1, 1]), 100) == [[0, 1, 2, 3, 4]]


def test_read_blocks__have_a_row_group_alone_where_it_is_large(write, monkeypatch):
    monkeypatch.setattr(parquet_blocks, "BLOCK_BYTES", 1_000)
    assert read_numbers(write([1], [5_000], [5_000, 1], [1], [1]), 100) == [[0], [1], [2, 3], [4, 5]]


def test_read_blocks__have_no_more_rows_than_asked_for(write):
    assert read_numbers(write([1] * 5, [1] * 3), 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_read_blocks__hold_the_columns_that_are_asked_for(write):
    [block] = read_blocks(write([1, 2]), 100, ["text"])
    assert block.to_pydict() == {"text": ["x", "xx"]}
