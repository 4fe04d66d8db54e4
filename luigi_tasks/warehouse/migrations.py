"""Migrations: bring the schemas raw_data and etl to the version that this code expects.

Each file of schema_versions/, 0001_NAME.sql and so on, is plain SQL that leads from one version to the next, and is
applied once; etl.schema_versions lists those that were applied. A file keeps all rows and everything that others made
in these schemas: no `drop … cascade`. It also runs on a warehouse that has its changes already (`if not exists`),
because all files run again where the schema raw_data was dropped. A table that it creates has a name that nothing of
others has: that is found out before any file runs.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from psycopg2.errors import (
    DuplicateSchema,
    DuplicateTable,
    InsufficientPrivilege,
    UndefinedColumn,
    UndefinedTable,
    UniqueViolation,
)
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse import audit_chain, change_queue, layers, ownership, project_claim, relation_states, rights
from luigi_tasks.warehouse.schema_names import (
    CANDIDATES,
    CORE,
    ETL,
    INTERMEDIATE,
    MARTS,
    MARTS_PERSONAL,
    OPEN,
    PUBLISHED,
    RAW_DATA,
    STAGING,
)
from spark_jobs.schemas import TABLES

FOLDER = Path(__file__).with_name("schema_versions")

SCHEMAS_OF_MODELS = {
    "staging": (STAGING,),
    "core": (CORE,),
    "intermediate": (INTERMEDIATE, PUBLISHED),
    "marts": (CANDIDATES, PUBLISHED, MARTS, MARTS_PERSONAL),
    "open": (CANDIDATES, PUBLISHED, OPEN),
}
"""By folder of models, the schemas in which their relations are made."""
CREATED_TABLE = re.compile(r"^create table if not exists (\w+)\.(\w+)", re.MULTILINE)
"""How a file creates a table."""
OLDEST_MARKERS = {"update_id", "target_table", "batch", "inserted"}
"""Columns of etl.table_updates in every version."""

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

    @property
    def tables(self) -> list[ownership.Name]:
        """The tables that it creates."""
        return CREATED_TABLE.findall(self.sql)


@cache
def list_migrations() -> tuple[Migration, ...]:
    """The files of schema_versions/ in the order of their versions, which count up from 1."""
    paths = sorted(FOLDER.glob("*.sql"))
    named = [(*path.stem.split("_", 1), path.read_text(encoding="utf-8")) for path in paths]
    return tuple(Migration(int(number), name, sql) for number, name, sql in named)


def list_tables() -> list[ownership.Name]:
    """The tables that migrations create, and the one that lists them."""
    return [(ETL, "schema_versions"), *(table for migration in list_migrations() for table in migration.tables)]


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
    except (UndefinedTable, UndefinedColumn, InsufficientPrivilege):
        return False


def is_upgraded(cursor: Cursor) -> bool:
    """Whether the warehouse had all migrations once, whatever was dropped since. `cursor`: as of is_current."""
    try:
        cursor.execute(f"select max(version) from {ETL}.schema_versions")
    except (UndefinedTable, UndefinedColumn, InsufficientPrivilege):
        return False
    return cursor.fetchone() == (len(list_migrations()),)


def _find_version(cursor: Cursor) -> int:
    """The version that the warehouse has; 0 where all migrations have to run, as when a table was dropped."""
    cursor.execute(
        f"select max(version), (select bool_and(to_regclass(name) is not null) from unnest(%s) as name) "
        f"and (select bool_and(to_regproc(name) is not null) from unnest(%s) as name) from {ETL}.schema_versions",
        ([".".join(table) for table in list_tables()], list(relation_states.FUNCTIONS)),
    )
    found, is_whole = cursor.fetchone()
    known = len(list_migrations())
    if (found or 0) > known:
        raise PipelineError(
            f"the warehouse has schema version {found}, this program knows versions up to {known}; "
            "nothing was changed; install the version of socialmart that upgraded the warehouse, or a later one"
        )
    return found or 0 if is_whole else 0


def _apply() -> None:
    with warehouse.reading() as cursor:
        if is_current(cursor) and project_claim.require_no_other(cursor):
            return
    with warehouse.transaction() as cursor:
        rights.require_rights(cursor)
        require_free_names(cursor)
        _lock_versions(cursor)
        before = _find_version(cursor)
        for migration in list_migrations()[before:]:
            cursor.execute(migration.sql)
            cursor.execute(
                f"insert into {ETL}.schema_versions (version, name) values (%s, %s) "
                "on conflict (version) do update set name = excluded.name, applied_at = excluded.applied_at",
                (migration.version, migration.name),
            )
        layers.grant_shared_tables(cursor)
        _mark_tables(cursor)
        ownership.remember_ours(cursor)
        _require_columns(cursor)
        project_claim.claim_if_free(cursor)
        relation_states.remember_new(cursor, [".".join(table) for table in list_tables()])
        if before < len(list_migrations()):
            audit_chain.append(cursor, audit_chain.UPGRADED, before=before, after=len(list_migrations()))


def require_free_names(cursor: Cursor) -> None:
    """Raise PipelineError where something of others has the name of a table or index that is to be created; before
    anything was ever loaded also that of a model, so that a first run does not stop halfway."""
    if not _list_columns(cursor, "table_updates"):
        ownership.require_free_names(cursor, list_models())
    known = _list_unmarked_tables(cursor)
    indexes = [(RAW_DATA, name) for table, name in change_queue.INDEXES if (RAW_DATA, table) not in known]
    ownership.require_free_names(cursor, list_tables(), known)
    ownership.require_free_names(cursor, indexes, change_queue.list_indexes(cursor))


def list_models() -> list[ownership.Name]:
    """The relations that dbt and Publish make, by the names of the models' files."""
    return [
        (schema, path.stem)
        for folder, schemas in SCHEMAS_OF_MODELS.items()
        for path in sorted((paths.dbt_project() / "models" / folder).glob("*.sql"))
        for schema in schemas
    ]


def _list_unmarked_tables(cursor: Cursor) -> list[ownership.Name]:
    """The tables that an older version made, and left without a mark: those of the migrations that it applied."""
    if ownership.list_ours(cursor, ETL) or not _list_columns(cursor, "table_updates") >= OLDEST_MARKERS:
        return []
    applied = {1}
    if _list_columns(cursor, "schema_versions") == {"version", "name", "applied_at"}:
        cursor.execute(f"select version from {ETL}.schema_versions")
        applied = {version for (version,) in cursor.fetchall()}
    tables = [table for migration in list_migrations() if migration.version in applied for table in migration.tables]
    return [(ETL, "schema_versions"), *tables]


def _list_columns(cursor: Cursor, table: str) -> set[str]:
    """The columns of a table in etl; none where it does not exist."""
    cursor.execute(
        "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        (f"{ETL}.{table}",),
    )
    return {name for (name,) in cursor.fetchall()}


def _mark_tables(cursor: Cursor) -> None:
    """Mark the tables that were created."""
    marked = {(schema, name) for schema in (RAW_DATA, ETL) for name in ownership.list_ours(cursor, schema)}
    for schema, name in sorted(set(list_tables()) - marked):
        mark = f"{ownership.MARK} Load." if schema == RAW_DATA else f"{ownership.MARK}s of a run."
        cursor.execute(
            "select concat_ws(' ', obj_description(oid, 'pg_class'), %s) from pg_class where oid = to_regclass(%s)",
            (mark, f"{schema}.{name}"),
        )
        if found := cursor.fetchone():
            cursor.execute(f"comment on table {schema}.{name} is %s", found)


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
    """Create a schema where it is missing. PostgreSQL's `if not exists` needs the privilege to create one even then.

    Raises PipelineError where it is missing and the role may not create it.
    """
    cursor.execute(
        "select to_regnamespace(%s) is null, has_database_privilege(current_database(), 'create'), "
        "quote_ident(current_database()), quote_ident(current_user)",
        (name,),
    )
    is_missing, may_create, database, user = cursor.fetchone()
    if is_missing and not may_create:
        raise PipelineError(
            f"the schema {name} is missing, and user {user} may not create it: grant create on database {database} to "
            f"{user}, or create schema {name} authorization {user}; nothing was changed"
        )
    if is_missing:
        cursor.execute(f"create schema {name}")
