"""Replaces what readers see of the marts, all at once, in the transaction of the stage Publish.

dbt builds the marts in the schema candidates. Their rows are copied to tables of the schema published; marts that are
only a query become views there. Each view in the schema marts selects everything from its relation in published.
"""

from collections.abc import Callable, Iterator, Sequence

from psycopg2.errors import InvalidTableDefinition, WrongObjectType
from psycopg2.extensions import cursor as Cursor

from luigi_tasks.dbt.messages import Relation
from luigi_tasks.warehouse import migrations
from luigi_tasks.warehouse.schema_names import MARTS, PUBLISHED

OnProgress = Callable[[int, int, str], None]
"""Called with the number of tables done, the number of all tables, and the status in words."""
NEW, OLD = "__new", "__old"
"""Suffixes of tables and views while all of them are being replaced."""
MARK = "Written by the stage Publish. Read the views in the schema marts instead."
"""Comment on every relation that Publish creates in published: it tells them from those that others created there."""


def relations_exist(cursor: Cursor, relations: Sequence[Relation]) -> bool:
    """Whether all of the relations are in published."""
    cursor.execute("select count(to_regclass(name)) from unnest(%s) as name", ([one.published for one in relations],))
    return cursor.fetchone() == (len(relations),)


def publish_touched(cursor: Cursor, relations: Sequence[Relation], on_progress: OnProgress) -> int:
    """Replace the rows of touched keys in published by those of candidates; in tables that dbt builds as a whole, all
    rows. Returns the number of rows copied."""
    copied = 0
    for table in _iterate_tables(relations, on_progress):
        condition = ""
        if table.touched:
            column, kind, key = table.touched["column"], table.touched["kind"], table.touched.get("key", "sk")
            condition = f"where {column} in (select {key} from staging.touched_keys where kind = '{kind}')"
        cursor.execute(f"delete from {table.published} {condition}")
        cursor.execute(f"insert into {table.published} select * from {table.candidate} {condition}")
        copied += cursor.rowcount
    return copied


def publish_whole(cursor: Cursor, relations: Sequence[Relation], on_progress: OnProgress) -> int:
    """Replace all tables and views in published, and have the views in marts read them. Returns the number of rows
    copied.

    Views and rights that others created on a mart stay as long as its columns are the same. Relations that others
    created in published stay; their views on a table of published are dropped together with it.
    """
    for schema in (PUBLISHED, MARTS):
        migrations.create_schema(cursor, schema)
    copied = sum(_create_table(cursor, table) for table in _iterate_tables(relations, on_progress))
    old_tables = _rename_old_relations(cursor, relations)  # readers wait from here until the transaction ends
    for relation in relations:
        if relation.is_view:
            _create_view(cursor, relation, [relation.schema for relation in relations])
        else:
            cursor.execute(f"alter table {relation.published}{NEW} rename to {relation.name}")
        cursor.execute(f"comment on {'view' if relation.is_view else 'table'} {relation.published} is %s", (MARK,))
    for mart in (relation for relation in relations if relation.is_mart):
        _redirect_mart(cursor, mart)
    for name in old_tables:
        cursor.execute(f"drop table {PUBLISHED}.{name} cascade")
    return copied


def _iterate_tables(relations: Sequence[Relation], on_progress: OnProgress) -> Iterator[Relation]:
    """The relations with rows of their own; reports each before it is copied."""
    tables = [relation for relation in relations if not relation.is_view]
    for number, table in enumerate(tables):
        on_progress(number, len(tables), f"{number:,} of {len(tables):,} tables, {table.name} is next")
        yield table


def _create_table(cursor: Cursor, table: Relation) -> int:
    """Copy a candidate to a new table with its indexes, under a temporary name. Returns the number of rows."""
    cursor.execute(f"create table {table.published}{NEW} as select * from {table.candidate}")
    copied = cursor.rowcount
    cursor.execute(f"alter table {table.published}{NEW} replica identity full")  # for publications of all tables
    if table.touched:
        cursor.execute(f"create unique index on {table.published}{NEW} ({table.touched['column']})")
    for column in table.read_by:
        cursor.execute(f"create index on {table.published}{NEW} ({column})")
    return copied


def _rename_old_relations(cursor: Cursor, relations: Sequence[Relation]) -> list[str]:
    """Rename what was published before, and return the new names of the tables. The views go when these are dropped.

    Includes relations that the project has no longer (they have the mark) and those that were published before there
    was a mark (they have the name of one to be published).
    """
    cursor.execute(
        "select relname, relkind from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'v') "
        "and (obj_description(oid, 'pg_class') = %s or relname = any(%s))",
        (PUBLISHED, MARK, [relation.name for relation in relations]),
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"alter table {PUBLISHED}.{name} rename to {name}{OLD}")
    return [f"{name}{OLD}" for name, kind in found if kind == "r"]


def _create_view(cursor: Cursor, view: Relation, schemas: Sequence[str]) -> None:
    """Create a candidate's query as a view in published that reads published.

    PostgreSQL writes a query without the schemas on the search path; without them its names resolve to published.
    """
    cursor.execute(f"set local search_path = {', '.join(schemas)}")
    cursor.execute("select pg_get_viewdef(%s::regclass)", (view.candidate,))
    (query,) = cursor.fetchone()
    cursor.execute(f"set local search_path = {PUBLISHED}")
    cursor.execute(f"create view {view.published} as {query}")


def _redirect_mart(cursor: Cursor, mart: Relation) -> None:
    """Have a view in marts read what is in published now."""
    view = f"view {MARTS}.{mart.name} as select * from {mart.published}"
    cursor.execute("savepoint before_the_mart")
    try:
        cursor.execute(f"create or replace {view}")
    except (InvalidTableDefinition, WrongObjectType) as error:  # its columns changed, or it was a table
        kind = "view" if isinstance(error, InvalidTableDefinition) else "table"
        cursor.execute("rollback to savepoint before_the_mart")
        cursor.execute(f"drop {kind} {MARTS}.{mart.name} cascade; create {view}")
