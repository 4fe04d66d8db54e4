"""Tells the relations that this pipeline made from those of others, which it never drops, renames or alters.

Ours have a comment that holds MARK: it is written with the relation, in one transaction, and comes with it out of a
dump. etl.own_relations has their oids, in case that somebody changes a comment. Whatever else has a name that we are
about to use is in the way.
"""

from collections.abc import Collection, Iterable

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.errors import PipelineError
from luigi_tasks.warehouse.schema_names import SCHEMAS

MARK = "Written by the stage"
"""Part of the comment on each relation of ours. dbt_project/macros/persist_docs.sql writes it, too."""
Name = tuple[str, str]
"""Schema and name of a relation."""

IS_MARKED = "strpos(coalesce(obj_description(pg_class.oid, 'pg_class'), ''), %(mark)s) > 0"
IS_KNOWN = (
    "exists (select from etl.own_relations as own where own.oid = pg_class.oid "
    "and to_regnamespace(quote_ident(own.schema_name)) = relnamespace)"
)

IN_THE_WAY = """
with wanted as (
    select schema_name, name from unnest(%(schemas)s::text [], %(names)s::text []) as wanted (schema_name, name)
)
select distinct pg_describe_object(classid, oid, 0)
from (
    select schema_name, name, 'pg_class'::regclass as classid, pg_class.oid
    from wanted inner join pg_class on relname = name and relnamespace = to_regnamespace(quote_ident(schema_name))
    where not (relkind in ('r', 'v') and ({is_ours}))
    union all
    select schema_name, name, 'pg_type'::regclass, pg_type.oid
    from wanted inner join pg_type on typname = name and typnamespace = to_regnamespace(quote_ident(schema_name))
    where typrelid = 0
) as found
where (schema_name, name) not in (select unnest(%(own_schemas)s::text []), unnest(%(own_names)s::text []))
order by 1
"""
OURS = """
select relname
from pg_class
where relnamespace = to_regnamespace(%(schema)s) and relkind in ('r', 'v') and ({is_ours})
order by relname
"""


def require_free_names(cursor: Cursor, names: Iterable[Name], known: Collection[Name] = ()) -> None:
    """Raise PipelineError where something of others has a name that we are about to use; it says what.

    `known` are names of relations that are ours although an older version left them without a mark.
    """
    wanted = sorted(set(names))
    cursor.execute("set local search_path = pg_catalog")  # so that all names come out with their schemas
    cursor.execute(
        IN_THE_WAY.format(is_ours=_is_ours(cursor)),
        {
            "schemas": [schema for schema, _ in wanted],
            "names": [name for _, name in wanted],
            "own_schemas": [schema for schema, _ in known],
            "own_names": [name for _, name in known],
            "mark": MARK,
        },
    )
    found = [described for (described,) in cursor.fetchall()]
    if found:
        raise PipelineError(
            f"the pipeline needs names that objects of others have: {', '.join(found)}; nothing was changed; "
            "rename or move these objects, then run again"
        )


def list_ours(cursor: Cursor, schema: str) -> list[str]:
    """The names of our tables and views in a schema."""
    cursor.execute(OURS.format(is_ours=_is_ours(cursor)), {"schema": schema, "mark": MARK})
    return [name for (name,) in cursor.fetchall()]


def remember_ours(cursor: Cursor) -> None:
    """Note which relations have the mark, so that they are still known to be ours when somebody changes a comment."""
    cursor.execute(
        "delete from etl.own_relations as own where not exists (select from pg_class where pg_class.oid = own.oid "
        "and relnamespace = to_regnamespace(quote_ident(own.schema_name)))"
    )
    cursor.execute(
        "insert into etl.own_relations (oid, schema_name) select pg_class.oid, nspname from pg_class "
        "inner join pg_namespace on relnamespace = pg_namespace.oid "
        f"where nspname = any(%(schemas)s) and relkind in ('r', 'v') and {IS_MARKED} on conflict (oid) do nothing",
        {"schemas": list(SCHEMAS), "mark": MARK},
    )


def _is_ours(cursor: Cursor) -> str:
    """The condition that a relation is ours, on a row of pg_class."""
    cursor.execute("select to_regclass('etl.own_relations') is not null")
    return f"{IS_MARKED} or {IS_KNOWN}" if cursor.fetchone() == (True,) else IS_MARKED
