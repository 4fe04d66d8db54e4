"""The layout of the schemas raw_data and etl: made where it is missing, changed where it is of an older version."""

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import fingerprints, warehouse
from luigi_tasks.warehouse import change_queue
from luigi_tasks.warehouse.schema_names import CANDIDATES
from spark_jobs.schemas import TABLES

LOCK = 7_267_001
"""Advisory lock: concurrent CREATE … IF NOT EXISTS of one table collide."""

ETL_TABLES = """
create table if not exists etl.table_updates (
    update_id text primary key,
    target_table text not null,
    batch text not null,
    inserted timestamptz not null default now(),
    unique (target_table, batch)
);
create table if not exists etl.ledger (
    batch text not null,
    verdict text not null,
    entity text not null,
    measure text not null,
    read bigint not null,
    accepted bigint not null,
    rejected bigint not null,
    duplicate bigint not null,
    primary key (batch, entity, measure)
);
create table if not exists etl.runs (
    run_id text primary key,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    host text not null,
    outcome text not null
);
alter table etl.runs
    drop column if exists stages,
    add column if not exists login text not null default '',
    add column if not exists command text not null default '',
    add column if not exists versions jsonb not null default '{}';
create table if not exists etl.stages (
    run_id text not null,
    stage text not null,
    batches text[] not null,
    started_at timestamptz not null,
    seconds double precision not null,
    rows bigint,
    outcome text not null,
    primary key (run_id, stage, started_at)
);
create table if not exists etl.remarks (
    run_id text not null,
    kind text not null,
    subject text not null,
    remark text not null,
    primary key (run_id, kind, subject, remark)
);
create table if not exists etl.days_looked_at (
    date_day date primary key,
    posts bigint not null,
    reactions bigint not null
);
create table if not exists etl.changed_batches (
    table_name text not null,
    batch text not null,
    in_work boolean not null default false,
    primary key (table_name, batch)
);
create table if not exists etl.replaced_keys (
    table_name text not null,
    id text not null,
    in_work boolean not null default false
);
create table if not exists etl.replayed_records (
    batch text not null,
    file text not null,
    position bigint not null,
    post_index integer,
    comment_index integer,
    entity text not null,
    rules text[] not null,
    digest uuid not null,
    read bigint
);
create table if not exists etl.replays (
    replay_id text not null,
    batch text not null,
    rule text not null,
    entity text not null,
    before bigint not null,
    came_back bigint not null,
    still_rejected bigint not null,
    gone bigint not null,
    replayed_at timestamptz not null default now(),
    primary key (replay_id, batch, rule, entity),
    check (before = came_back + still_rejected + gone)
);
"""


def prepare() -> None:
    """Make or change what is not as it should be; which layout there is stands as a comment on raw_data."""
    warehouse.retried("the layout of raw_data and etl", _prepare)


def _prepare() -> None:
    with warehouse.transaction() as cursor:
        if is_current(cursor):
            return
        cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        if is_current(cursor):
            return
        cursor.execute("create schema if not exists raw_data; create schema if not exists etl")
        cursor.execute(ETL_TABLES)
        for table, columns in TABLES.items():
            cursor.execute(f"create table if not exists raw_data.{table} ({_listed(columns)})")
            _change(cursor, table, columns)
        cursor.execute(f"comment on schema raw_data is '{_version()}'")


def make_schema(cursor: Cursor, name: str) -> None:
    """Only where it is missing: `if not exists` takes the right to make one even then."""
    cursor.execute("select to_regnamespace(%s) is null", (name,))
    if cursor.fetchone() == (True,):
        cursor.execute(f"create schema {name}")


def is_current(cursor: Cursor) -> bool:
    """Whether the layout that is there is this version's."""
    cursor.execute("select obj_description(to_regnamespace('raw_data'), 'pg_namespace')")
    return cursor.fetchone()[0] == _version()


def _version() -> str:
    return "layout " + fingerprints.of_value([TABLES, ETL_TABLES])


def _listed(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in columns.items())


def _change(cursor: Cursor, table: str, columns: dict[str, str]) -> None:
    """Give a table of an older version the columns of this one. Its rows stay: their batch may be nowhere else.

    The views on it go with it, and dbt makes all anew.
    """
    cursor.execute(
        "select attname, atttypid::regtype::text from pg_attribute "
        "where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (f"raw_data.{table}",),
    )
    before = dict(cursor.fetchall())
    now = {name: type_.removesuffix(" not null") for name, type_ in columns.items()}
    cursor.execute("select unnest(%s::regtype[])::text", (list(now.values()),))
    if before == dict(zip(now, (name for (name,) in cursor.fetchall()), strict=True)):
        return
    kept = [name for name in now if name in before]
    cast = ", ".join(f"{name}::{now[name]}" for name in kept)
    cursor.execute(f"create table raw_data.{table}_changed ({_listed(columns)})")
    cursor.execute(f"insert into raw_data.{table}_changed ({', '.join(kept)}) select {cast} from raw_data.{table}")
    cursor.execute(f"drop table raw_data.{table} cascade; alter table raw_data.{table}_changed rename to {table}")
    change_queue.index_batches(cursor, table)
    cursor.execute("delete from etl.table_updates where target_table = %s", (CANDIDATES,))
