"""What comes before and after a run of dbt, so that it replaces nothing but models of ours.

dbt drops whatever has the name of a model, and with it everything that depends on it.
"""

from collections.abc import Mapping, Sequence

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, warehouse
from luigi_tasks.dbt.messages import Model
from luigi_tasks.warehouse import layers, ownership, set_aside
from luigi_tasks.warehouse.schema_names import CANDIDATES, MARTS, MARTS_PERSONAL, OPEN, PUBLISHED

NAMES_OF_DBT = ("", "__dbt_tmp", "__dbt_backup", "__new")
"""What dbt appends to a model's name while it replaces it; it drops whatever has such a name before."""

Columns = Mapping[str, str]
"""The types of a relation's columns by name."""


def prepare(cursor: Cursor, models: Sequence[Model], full_refresh: bool) -> None:
    """Set aside what depends on the models that dbt is about to replace: all, or in a run of rows alone the tables.

    Raises PipelineError where something of others has the name of a model, or would be lost.
    """
    names = [(model.schema, f"{model.name}{suffix}") for model in models for suffix in NAMES_OF_DBT]
    marts = [model.name for model in models if model.schema == CANDIDATES]  # what Publish would find later
    for_readers = [(schema, mart) for schema in (PUBLISHED, MARTS, MARTS_PERSONAL, OPEN) for mart in marts]
    ownership.require_free_names(cursor, [*names, *for_readers])
    before = set_aside.restore(cursor)  # what a run left that was ended
    present = _list_present(cursor, [model for model in models if full_refresh or model.materialized == "table"])
    is_anything_dropped = set_aside.set_aside(cursor, list(present))
    if is_anything_dropped and config.read_section(config.warehouse).dependent_views == config.REFUSE:
        cursor.execute("savepoint before_rehearsal")
        _build_empty(cursor, present)
        set_aside.rehearse(cursor, before)
        cursor.execute("rollback to savepoint before_rehearsal")


def finish() -> None:
    """Make again what `prepare` set aside. What cannot be made again stays there."""
    warehouse.retry_transaction("views of others", _restore)


def _restore() -> None:
    with warehouse.transaction() as cursor, layers.acting_as(cursor, layers.TRANSFORMER):
        set_aside.restore(cursor)
        ownership.remember_ours(cursor)


def _list_present(cursor: Cursor, models: Sequence[Model]) -> dict[int, Model]:
    """The models that the warehouse has, by oid."""
    cursor.execute(
        "select oid::bigint, number "
        "from unnest(%s::text[], %s::text[]) with ordinality as models (schema_name, name, number) "
        "inner join pg_class on relname = name and relnamespace = to_regnamespace(schema_name)",
        ([model.schema for model in models], [model.name for model in models]),
    )
    return {oid: models[number - 1] for oid, number in cursor.fetchall()}


def _build_empty(cursor: Cursor, present: Mapping[int, Model]) -> None:
    """Replace models by empty tables with the columns that dbt will give them."""
    columns = {oid: model.columns or _read_columns(cursor, oid) for oid, model in present.items()}
    for oid, model in present.items():
        name = sql.Identifier(model.schema, model.name)
        cursor.execute("select relkind = 'v' from pg_class where oid = %s", (oid,))
        found = cursor.fetchone()
        if found:  # it did not go with another
            kind = sql.SQL("view" if found == (True,) else "table")
            cursor.execute(sql.SQL("drop {} {} cascade").format(kind, name))
    for oid, model in present.items():
        listed = [sql.SQL("{} {}").format(sql.Identifier(one), sql.SQL(type_)) for one, type_ in columns[oid].items()]
        name = sql.Identifier(model.schema, model.name)
        cursor.execute(sql.SQL("create table {} ({})").format(name, sql.SQL(", ").join(listed)))


def _read_columns(cursor: Cursor, oid: int) -> Columns:
    """The columns that a relation has now."""
    cursor.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = %s and attnum > 0 and not attisdropped order by attnum",
        (oid,),
    )
    return dict(cursor.fetchall())
