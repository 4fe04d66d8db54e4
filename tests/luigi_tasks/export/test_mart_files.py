"""Marts as Parquet files: types, nulls, and every letter of every value, however the rows fall into files."""

import datetime
import hashlib
from decimal import Decimal

import duckdb
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.export import mart_files
from luigi_tasks.export.mart_files import write_mart
from luigi_tasks.warehouse import connection

VALUES = """
select
    null::text as "First, text", 1::smallint as s, null::int as i, 9223372036854775807 as b, 0.1::real as r,
    'NaN'::float8 as f, true as t, '0001-01-01'::date as d, '9999-12-31 23:59:59.999999'::timestamp as ts,
    '2024-02-29 12:00:00+05:30'::timestamptz as tz, 12.5::numeric(38, 4) as n, 1.23456789::numeric as plain,
    'c0ffee00-0000-4000-8000-000000000000'::uuid as u, array['a,"b', null, ''] as l, '{"a": 1}'::json as j
union all
select '', null, -1, null, null, '-Infinity', false, null, null, null, -9999999999999999999999999999999999.9999, null,
    null, '{}', null
union all
select E'\\ufeffa "quoted"\\r\\n, \\\\N \\\\.\\t', null, null, null, null, 1e-320, null, null, null, null, null, 'NaN',
    null, null, null
"""
UTC = datetime.UTC


@pytest.fixture
def mart(shared_warehouse):
    """A function that makes the view marts_personal.MART of a query, and returns its rows."""

    def make(query: str, name: str = "mart") -> list[tuple]:
        with warehouse.transaction() as cursor:
            cursor.execute("drop schema if exists marts_personal cascade; create schema marts_personal")
            cursor.execute(f'create view marts_personal."{name}" as {query}')
            cursor.execute(f'select * from marts_personal."{name}"')
            return cursor.fetchall()

    return make


def export(folder, name: str = "mart") -> list[mart_files.ExportedFile]:
    with warehouse.transaction() as cursor:
        return write_mart(cursor, "marts_personal", name, folder)


def test_columns__have_the_types_of_the_catalogue_and_every_letter_of_their_values(mart, tmp_path):
    with warehouse.transaction() as cursor:
        cursor.execute(f"create table public.mart as {VALUES}")
        cursor.execute("alter table public.mart alter n type numeric(38, 4)")  # which a union forgets
    rows = mart("select * from public.mart")
    [file] = export(tmp_path)
    table = pq.read_table(tmp_path / file.path)
    assert table.schema.remove_metadata() == pa.schema(
        {
            "First, text": pa.string(), "s": pa.int16(), "i": pa.int32(), "b": pa.int64(), "r": pa.float32(),
            "f": pa.float64(), "t": pa.bool_(), "d": pa.date32(), "ts": pa.timestamp("us"),
            "tz": pa.timestamp("us", "UTC"), "n": pa.decimal128(38, 4), "plain": pa.string(), "u": pa.string(),
            "l": pa.list_(pa.field("element", pa.string())), "j": pa.string(),
        }
    )  # fmt: skip
    first, second, third = table.to_pylist()
    assert repr(first.pop("f")) == "nan"
    assert first == {
        "First, text": None, "s": 1, "i": None, "b": 2**63 - 1, "r": pa.scalar(0.1, pa.float32()).as_py(), "t": True,
        "d": datetime.date(1, 1, 1), "ts": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
        "tz": datetime.datetime(2024, 2, 29, 6, 30, tzinfo=UTC), "n": Decimal("12.5000"), "plain": "1.23456789",
        "u": "c0ffee00-0000-4000-8000-000000000000", "l": ['a,"b', None, ""], "j": '{"a": 1}',
    }  # fmt: skip
    assert {name: value for name, value in second.items() if value is not None} == {
        "First, text": "", "i": -1, "f": float("-inf"), "t": False, "l": [],
        "n": Decimal("-9999999999999999999999999999999999.9999"),
    }  # fmt: skip
    assert {name: value for name, value in third.items() if value is not None} == {
        "First, text": rows[2][0], "f": 1e-320, "plain": "NaN",
    }  # fmt: skip
    assert rows[2][0].startswith("\ufeff")


def test_rows__are_those_of_the_mart_however_they_fall_into_files(mart, tmp_path, monkeypatch):
    monkeypatch.setattr(mart_files, "ROW_GROUP_BYTES", 2_000)
    monkeypatch.setattr(mart_files, "PART_BYTES", 6_000)
    rows = mart(
        "select nullif(n % 7, 0)::text as a, n::bigint as n, repeat(E'\"\\n', n % 5) as t, "
        "n / 3.0::numeric(10, 2) as x, '2024-01-01'::timestamp + n * interval '1 minute' as ts "
        "from generate_series(1, 1000) as n"
    )
    files = export(tmp_path)
    assert len(files) > 2
    for file in files:
        path = tmp_path / file.path
        assert (file.bytes, file.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        assert (path.stat().st_mode & 0o777, pq.ParquetFile(path).metadata.num_rows) == (0o600, file.rows)
    assert pq.ParquetFile(tmp_path / files[0].path).num_row_groups > 1
    found = duckdb.sql(f"select a, n, t, x, ts from '{tmp_path}/mart/*.parquet' order by n").fetchall()
    assert [(*row[:3], Decimal(row[3]), row[4]) for row in found] == rows


@pytest.mark.parametrize("rows", [[], [None], ["", None, "x"], ["\ufeffx", "\ufeff"]], ids=ascii)
def test_mart__of_one_column_keeps_its_rows(mart, tmp_path, rows):
    listed = ", ".join("null" if row is None else f"'{row}'" for row in rows)
    mart(f"select a from unnest(array[{listed}]::text[]) as a")
    [file] = export(tmp_path)
    assert pq.read_table(tmp_path / file.path).to_pydict() == {"a": rows}
    assert file.rows == len(rows)


def test_value__that_has_no_place_in_its_type_is_named_with_its_column(mart, tmp_path, monkeypatch):
    monkeypatch.setattr(mart_files, "ROW_GROUP_BYTES", 1)
    mart("select unnest(array['2024-01-01', 'infinity']::date[]) as \"The day\"", "My mart")
    with pytest.raises(
        PipelineError, match=r"^marts_personal\.My mart, column The day: a value .* invalid value 'infinity'"
    ):
        export(tmp_path, "My mart")
    assert pq.read_table(tmp_path / "My mart/part-0.parquet").num_rows == 1, "its file is closed"


class FullDisk:
    """A file that takes some bytes, and no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, data) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return len(data)


@pytest.mark.parametrize("room", [0, 3_000], ids=["at the start", "within"])
def test_file__that_cannot_be_written_leaves_the_session_as_it_was(mart, tmp_path, monkeypatch, room):
    mart("select n, md5(n::text) from generate_series(1, 5000) as n")
    monkeypatch.setattr(mart_files, "ROW_GROUP_BYTES", 10_000)
    disk = FullDisk(room)
    monkeypatch.setattr(mart_files._DigestingSink, "write", lambda self, data: disk.write(data))
    with pytest.raises(OSError, match="No space left on device"):
        export(tmp_path)
    [session] = connection._writers.values()
    assert session.status == psycopg2.extensions.STATUS_READY
    with warehouse.transaction() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchall() == [(1,)]
