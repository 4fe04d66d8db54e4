"""Migrations: bring the schemas raw_data and etl to the version that this code expects.

Each file of schema_versions/, 0001_NAME.sql and so on, is plain SQL that leads from one version to the next, and is
applied once; etl.schema_versions lists those that were applied. A file keeps all rows and everything that others made
in these schemas: no `drop … cascade`. It also runs on a warehouse that has its changes already (`if not exists`),
because all files run again where the schema raw_data was dropped.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from psycopg2.errors import DuplicateSchema, DuplicateTable, InsufficientPrivilege, UndefinedTable, UniqueViolation
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse.schema_names import ETL, RAW_DATA
from spark_jobs.schemas import TABLES

FOLDER = Path(__file__).with_name("schema_versions")

SCHEMA_VERSIONS = """
create table if not exists etl.schema_versions (
    version integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One file: the version that it leads to, and its SQL."""

    version: int
    name: str
    sql: str


@cache
def list_migrations() -> tuple[Migration, ...]:
    """The files of schema_versions/ in the order of their versions, which count up from 1."""
    paths = sorted(FOLDER.glob("*.sql"))
    named = [(*path.stem.split("_", 1), path.read_text(encoding="utf-8")) for path in paths]
    return tuple(Migration(int(number), name, sql) for number, name, sql in named)


def apply() -> None:
    """Apply the migrations that the warehouse does not have yet: all of them in one transaction, or none.

    Raises PipelineError where the warehouse is of a newer version than this code.
    """
    warehouse.retry_transaction("the migrations of the warehouse", _apply)


def is_current(cursor: Cursor) -> bool:
    """Whether the warehouse has all migrations, by one query. Raises PipelineError where it has newer ones.

    `cursor` has to be of a connection in autocommit: without etl.schema_versions, the query ends its transaction.
    """
    try:
        return _find_version(cursor) == len(list_migrations())
    except (UndefinedTable, InsufficientPrivilege):
        return False


def _find_version(cursor: Cursor) -> int:
    """The version that the warehouse has; 0 where all migrations have to run, a missing schema raw_data included."""
    cursor.execute(f"select max(version), to_regnamespace('{RAW_DATA}') is not null from {ETL}.schema_versions")
    found, has_raw_data = cursor.fetchone()
    known = len(list_migrations())
    if (found or 0) > known:
        raise PipelineError(
            f"the warehouse has schema version {found}, this program knows versions up to {known}; "
            "nothing was changed; install the version of socialmart that upgraded the warehouse, or a later one"
        )
    return found or 0 if has_raw_data else 0


def _apply() -> None:
    with warehouse.reading() as cursor:
        if is_current(cursor):
            return
    with warehouse.transaction() as cursor:
        _lock_versions(cursor)
        for migration in list_migrations()[_find_version(cursor) :]:
            cursor.execute(migration.sql)
            cursor.execute(
                f"insert into {ETL}.schema_versions (version, name) values (%s, %s) "
                "on conflict (version) do update set name = excluded.name, applied_at = excluded.applied_at",
                (migration.version, migration.name),
            )
        _require_columns(cursor)


def _lock_versions(cursor: Cursor) -> None:
    """Lock etl.schema_versions, created where it is missing: one process migrates at a time, the others wait here."""
    try:
        create_schema(cursor, ETL)
        cursor.execute(SCHEMA_VERSIONS)
    except (DuplicateSchema, DuplicateTable, UniqueViolation):  # another process created it, and is done
        cursor.connection.rollback()
    cursor.execute(f"lock table {ETL}.schema_versions in exclusive mode")


def _require_columns(cursor: Cursor) -> None:
    """Raise PipelineError where a table of raw_data lacks a column that this version loads, or its type differs."""
    cursor.execute(
        "select relname, attname, atttypid::regtype::text from pg_attribute join pg_class on pg_class.oid = attrelid "
        "where relnamespace = %s::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped",
        (RAW_DATA,),
    )
    found = set(cursor.fetchall())
    wanted = [
        (table, name, type_.split(" ")[0]) for table, columns in TABLES.items() for name, type_ in columns.items()
    ]
    cursor.execute("select unnest(%s::regtype[])::text", ([type_ for _, _, type_ in wanted],))
    types = [type_ for (type_,) in cursor.fetchall()]
    missing = [
        f"{RAW_DATA}.{table}.{name} {type_}"
        for (table, name, _), type_ in zip(wanted, types, strict=True)
        if (table, name, type_) not in found
    ]
    if missing:
        raise PipelineError(
            f"the warehouse lacks {', '.join(missing)}; nothing was changed; "
            "give its tables these columns by alter table, then run again"
        )


def create_schema(cursor: Cursor, name: str) -> None:
    """Create a schema where it is missing. PostgreSQL's `if not exists` needs the privilege to create one even then."""
    cursor.execute("select to_regnamespace(%s) is null", (name,))
    if cursor.fetchone() == (True,):
        cursor.execute(f"create schema {name}")
