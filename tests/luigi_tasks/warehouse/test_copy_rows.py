"""What COPY gets to read, through a real PostgreSQL."""

import shutil
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luigi_tasks.warehouse.copy_rows import ROWS_A_BLOCK, RowStream, format_array_literals
from luigi_tasks.warehouse.embedded.server import lease_server

TEXTS = [
    None,
    "",
    "plain",
    'a "quote"',
    "a,comma",
    "two\nlines",
    "\r\n",
    "\\.",
    "one\n\\.\ntwo",
    "\\N",
    "NULL",
    "ü😀",
    " ",
]


@pytest.fixture(scope="module")
def cursor():
    folder = Path(tempfile.mkdtemp(prefix="socialmart-"))
    folder.chmod(0o755)
    server = lease_server(folder / "postgres")
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    with closing(psycopg2.connect(**{names[name]: value for name, value in server.parameters.items()})) as connection:
        yield connection.cursor()
    server.release()
    shutil.rmtree(folder)


def test_row_stream__brings_every_text_through_copy_unharmed(cursor, tmp_path):
    tags = [[text for text in TEXTS if text is not None], [], ["{", "}", '"', "\\", ",", " ", ""]]
    lists = [tags[number % 3] for number in range(len(TEXTS))]
    moments = [datetime(2022, 10, 8, 1, 41, 4, 123456), None, datetime(1, 1, 1), datetime(9999, 12, 31)]
    times = [moments[number % 4] for number in range(len(TEXTS))]
    table = pa.table(
        {"n": range(len(TEXTS)), "tags": lists, "t": TEXTS, "at": pa.array(times, pa.timestamp("us")), "unused": TEXTS}
    )
    pq.write_table(table, tmp_path / "part.parquet")
    cursor.execute("create temp table texts (n int, t text, at timestamp, tags text[])")
    cursor.copy_expert(
        "copy texts from stdin (format csv)", RowStream(sorted(tmp_path.glob("*.parquet")), ["n", "t", "at", "tags"])
    )
    cursor.execute("select n, t, at::text, tags from texts order by n")
    shown = [None if at is None else at.isoformat(" ") for at in times]
    assert cursor.fetchall() == list(zip(range(len(TEXTS)), TEXTS, shown, lists, strict=True))


def test_row_stream__reads_many_files_and_blocks(cursor, tmp_path):
    for number in range(2):
        pq.write_table(pa.table({"n": range(ROWS_A_BLOCK + 1)}), tmp_path / f"part-{number}.parquet")
    cursor.execute("create temp table numbers (n bigint)")
    cursor.copy_expert("copy numbers from stdin (format csv)", RowStream(sorted(tmp_path.glob("*.parquet")), ["n"]))
    cursor.execute("select count(*), sum(n) from numbers")
    assert cursor.fetchall() == [(2 * (ROWS_A_BLOCK + 1), ROWS_A_BLOCK * (ROWS_A_BLOCK + 1))]


def test_row_stream__has_null_for_a_column_that_an_older_checkpoint_lacks(tmp_path):
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "old.parquet")
    pq.write_table(pa.table({"n": [3], "t": ["x"]}), tmp_path / "part.parquet")
    assert RowStream(sorted(tmp_path.glob("*.parquet")), ["t", "n"]).read() == b',1\n,2\n"x",3\n'


def test_row_stream__is_empty_without_files(tmp_path):
    assert RowStream([], ["n"]).read() == b""


def test_format_array_literals__of_a_slice():
    lists = pa.array([["a"], ["b", "c"], [], ["d"]])
    assert format_array_literals(lists.slice(1, 2)).to_pylist() == ['{"b","c"}', "{}"]
