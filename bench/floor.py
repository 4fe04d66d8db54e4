"""The floor: builds the same marts by the shortest way known, to compare the pipeline's seconds with.

    PGHOST=… PGDATABASE=… python -m bench.floor LANDING

One process reads the landing files (JSON arrays of clean documents) once with DuckDB, exports users, posts and
comments to CSV and loads them by three parallel COPYs; then seven `create table as` build two facts and five marts
in a new PostgreSQL database that the PG* variables name.

Its time includes Python's start, reading, exporting, loading and all seven tables, but not the start of the server and
the creation of the database. It does none of what the pipeline guarantees: checkpoints, cleaning, the ledger, markers,
keys, indexes, contracts and tests. The raw tables are unlogged: the landing files can be read again.

Prints the seconds of its stages as one line of JSON.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import duckdb
import psycopg2
from psycopg2.extensions import cursor as Cursor

from bench.floor_tables import DOCUMENT, FACTS, MARTS, RAW

THREADS = 4
"""As many as [dbt] threads, for a fair comparison."""
BYTES_PER_BLOCK = 1 << 18
"""Bytes per read of a CSV file: psycopg2's default, 8 KiB, takes more calls."""
MAX_DOCUMENT_BYTES = 64 << 20
"""Far more than any document of the benchmarks; DuckDB's default is 16 MiB."""


def build_marts(landing: Path) -> dict[str, float]:
    """Create all tables from the JSON files of a folder; return the seconds of each stage."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as documents, ThreadPoolExecutor(THREADS) as pool:
        started = time.monotonic()
        _read_documents(documents, landing)
        seconds["read"] = time.monotonic() - started
        _execute_sql("create schema raw_data; create schema core; create schema marts")
        list(pool.map(partial(_load_table, documents, Path(folder)), RAW))
        seconds["load"] = time.monotonic() - started - seconds["read"]
        for tables in (FACTS, MARTS):
            list(pool.map(_execute_sql, (f"create table {name} as {query}" for name, query in tables.items())))
        seconds["tables"] = time.monotonic() - started - sum(seconds.values())
    return {stage: round(value, 2) for stage, value in seconds.items()}


def _read_documents(documents: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """Parse all files into a table `documents` of DuckDB."""
    documents.execute(
        "create table documents as "
        "select * from read_json($files, format = 'array', columns = $columns, maximum_object_size = $largest)",
        {
            "files": [str(path) for path in sorted(landing.iterdir())],
            "columns": DOCUMENT,
            "largest": MAX_DOCUMENT_BYTES,
        },
    )


def _load_table(documents: duckdb.DuckDBPyConnection, folder: Path, table: str) -> None:
    """Export a raw table's rows to CSV, and COPY them into a new table of PostgreSQL."""
    path = folder / f"{table}.csv"
    raw = RAW[table]
    documents.cursor().sql(raw.query).write_csv(str(path), header=False)
    with _open_transaction() as cursor, path.open("rb") as rows:
        cursor.execute(f"create unlogged table raw_data.{table} ({raw.columns})")
        cursor.copy_expert(f"copy raw_data.{table} from stdin (format csv)", rows, BYTES_PER_BLOCK)


def _execute_sql(sql: str) -> None:
    with _open_transaction() as cursor:
        cursor.execute(sql)


@contextmanager
def _open_transaction() -> Iterator[Cursor]:
    """Open a transaction on a new connection to the database that the PG* variables name."""
    with closing(psycopg2.connect("")) as connection, connection, connection.cursor() as cursor:
        yield cursor


def main() -> None:
    """Build the marts from the folder of JSON files that the command line names, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landing", type=Path, help="the folder of JSON files")
    print(json.dumps(build_marts(parser.parse_args().landing)))


if __name__ == "__main__":
    main()
