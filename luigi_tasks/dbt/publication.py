"""Publish: what readers see of the marts changes here, all at once and after the tests.

dbt builds the marts in the schema candidates. The tables that hold their rows are copied to the schema published,
those views of theirs that are no more than a query are made there too, and each mart is a view on it in the schema
marts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg2.errors import InvalidTableDefinition, WrongObjectType
from psycopg2.extensions import cursor as Cursor

from luigi_tasks.warehouse import migrations
from luigi_tasks.warehouse.schema_names import MARTS, PUBLISHED

Tell = Callable[[int, int, str], None]
"""Takes what is done of how much, and how to say it."""
NEW, OLD = "__new", "__old"
"""Ends of the names that tables have while all are made anew."""


@dataclass(frozen=True)
class Relation:
    """A table or view that is to be published; see dbt_project.relations_of_marts."""

    schema: str
    name: str
    is_view: bool
    is_mart: bool
    touched: Mapping[str, str] | None
    read_by: Sequence[str]

    @property
    def candidate(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def published(self) -> str:
        return f"{PUBLISHED}.{self.name}"


def are_there(cursor: Cursor, relations: Sequence[Relation]) -> bool:
    cursor.execute("select count(to_regclass(name)) from unnest(%s) as name", ([one.published for one in relations],))
    return cursor.fetchone() == (len(relations),)


def copy_touched(cursor: Cursor, relations: Sequence[Relation], tell: Tell) -> int:
    """Have the published tables hold the candidates' rows of touched keys; all rows of a table that is built as a
    whole. Gives back how many that were."""
    copied = 0
    for table in _tables(relations, tell):
        condition = ""
        if table.touched:
            column, kind, key = table.touched["column"], table.touched["kind"], table.touched.get("key", "sk")
            condition = f"where {column} in (select {key} from staging.touched_keys where kind = '{kind}')"
        cursor.execute(f"delete from {table.published} {condition}")
        cursor.execute(f"insert into {table.published} select * from {table.candidate} {condition}")
        copied += cursor.rowcount
    return copied


def replace(cursor: Cursor, relations: Sequence[Relation], tell: Tell) -> int:
    """Make all that is published anew; gives back the number of rows.

    What others made on a mart, such as views and rights, stays as long as its columns do.
    """
    for schema in (PUBLISHED, MARTS):
        migrations.create_schema(cursor, schema)
    copied = sum(_copy_whole(cursor, table) for table in _tables(relations, tell))
    before = _put_aside(cursor)  # from here on readers wait
    for table in (relation for relation in relations if not relation.is_view):
        cursor.execute(f"alter table {table.published}{NEW} rename to {table.name}")
    for view in (relation for relation in relations if relation.is_view):
        _make_view(cursor, view, [relation.schema for relation in relations])
    for mart in (relation for relation in relations if relation.is_mart):
        _show(cursor, mart)
    for name in before:
        cursor.execute(f"drop table {PUBLISHED}.{name} cascade")
    return copied


def _tables(relations: Sequence[Relation], tell: Tell) -> Iterator[Relation]:
    """The relations with rows of their own, one after the other; tells which is about to be copied."""
    tables = [relation for relation in relations if not relation.is_view]
    for number, table in enumerate(tables):
        tell(number, len(tables), f"{number:,} of {len(tables):,} tables, {table.name} is next")
        yield table


def _copy_whole(cursor: Cursor, table: Relation) -> int:
    cursor.execute(f"create table {table.published}{NEW} as select * from {table.candidate}")
    copied = cursor.rowcount
    if table.touched:
        cursor.execute(f"create unique index on {table.published}{NEW} ({table.touched['column']})")
    for column in table.read_by:
        cursor.execute(f"create index on {table.published}{NEW} ({column})")
    return copied


def _put_aside(cursor: Cursor) -> list[str]:
    """Rename what was published before; the tables' new names. Views, which go with the tables, keep reading them."""
    cursor.execute(
        "select relname, relkind from pg_class "
        "where relnamespace = %s::regnamespace and relkind in ('r', 'v') and not relname like %s",
        (PUBLISHED, f"%{NEW}"),
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"alter table {PUBLISHED}.{name} rename to {name}{OLD}")
    return [f"{name}{OLD}" for name, kind in found if kind == "r"]


def _make_view(cursor: Cursor, view: Relation, schemas: Sequence[str]) -> None:
    """The query of a candidate, on what is published: told without schemas, its names are looked up there."""
    cursor.execute(f"set local search_path = {', '.join(schemas)}")
    cursor.execute("select pg_get_viewdef(%s::regclass)", (view.candidate,))
    (query,) = cursor.fetchone()
    cursor.execute(f"set local search_path = {PUBLISHED}")
    cursor.execute(f"create view {view.published} as {query}")


def _show(cursor: Cursor, mart: Relation) -> None:
    """Have the schema marts show what is published now."""
    view = f"view {MARTS}.{mart.name} as select * from {mart.published}"
    cursor.execute("savepoint before_it_is_shown")
    try:
        cursor.execute(f"create or replace {view}")
    except (InvalidTableDefinition, WrongObjectType) as error:  # it had other columns; or it was a table
        kind = "view" if isinstance(error, InvalidTableDefinition) else "table"
        cursor.execute("rollback to savepoint before_it_is_shown")
        cursor.execute(f"drop {kind} {MARTS}.{mart.name} cascade; create {view}")
