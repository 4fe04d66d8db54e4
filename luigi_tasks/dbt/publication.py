"""Replaces what readers see of the marts, all at once, in the transaction of the stage Publish.

dbt builds the marts in the schema candidates. Their rows are copied to tables of the schema published; marts that are
only a query become views there. Each view in the schemas marts_personal and open selects everything from its relation
in published, each view in marts what the masks leave of it.
"""

from collections.abc import Callable, Iterator, Sequence

from psycopg2.errors import InvalidTableDefinition
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import fingerprints, paths
from luigi_tasks.dbt.messages import Relation
from luigi_tasks.privacy.masks import (
    PSEUDONYMS,
    PSEUDONYMS_TABLE,
    USERS,
    Masks,
    add_pseudonyms,
    fingerprint_masks,
    prepare_masks,
)
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.warehouse import migrations, ownership, relation_states, set_aside
from luigi_tasks.warehouse.schema_names import MARTS, MARTS_PERSONAL, OPEN, PUBLISHED

OnProgress = Callable[[int, int, str], None]
"""Called with the number of tables done, the number of all tables, and the status in words."""
NEW, OLD = "__new", "__old"
"""Suffixes of tables and views while all of them are being replaced."""
MARK = f"{ownership.MARK} Publish. Read the views in the schema marts instead."
MART_MARK = f"{ownership.MARK} Publish."
"""Ends of the comments on what is created in published and for readers: they tell it from what others created there."""
READ = (MARTS, MARTS_PERSONAL, OPEN)
"""The schemas that have a view on each mart, or on each of the open figures."""
COMMENTS = """
select
    string_agg(
        format(
            'comment on %%s %%s is %%L',
            case when number > 0 then 'column' when described.relkind = 'v' then 'view' else 'table' end,
            %(name)s || coalesce('.' || quote_ident(attname), ''),
            case when number > 0 then comment else concat_ws(' ', nullif(comment, ''), %(mark)s) end
        ),
        '; '
    )
from (
    select 0 as number, null as attname, rtrim(split_part(obj_description(oid, 'pg_class'), %(own_mark)s, 1)) as comment
    from pg_class where oid = %(candidate)s::regclass
    union all
    select attnum, attname, col_description(attrelid, attnum)
    from pg_attribute where attrelid = %(candidate)s::regclass and attnum > 0 and not attisdropped
) as comments
cross join (select relkind from pg_class where oid = %(name)s::regclass) as described
where number = 0 or comment is not null
"""
"""The statements that give a relation the comments of its candidate, with the mark as the end of its own."""


def describe_code() -> BuiltFrom:
    """Fingerprints of what the marts are published by: this code, and the masks."""
    return {"publish": fingerprints.of_modules(*paths.PUBLISH_CODE), "masks": fingerprint_masks()}


def publish_touched(cursor: Cursor, relations: Sequence[Relation], on_progress: OnProgress, masks: Masks | None) -> int:
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
        relation_states.count_changes(cursor, table.published)
        if masks and table.published == USERS:
            add_pseudonyms(cursor, condition)
            relation_states.count_changes(cursor, PSEUDONYMS_TABLE)
    set_aside.restore(cursor)
    return copied


def publish_whole(cursor: Cursor, relations: Sequence[Relation], on_progress: OnProgress, masks: Masks | None) -> int:
    """Replace all tables and views in published, and have the views of READ read them: those in marts with masks, if
    there are any. Returns the number of rows copied.

    Everything that others made stays: views on a mart as they are, unless its columns change; these, and what reads
    published, are dropped and made again, with the rights on all three schemas. Raises PipelineError where something
    of others is in the way, or could not be made again.
    """
    for schema in (PUBLISHED, *READ):
        migrations.create_schema(cursor, schema)
    _require_free_names(cursor, relations)
    queries = {
        (schema, relation.name): masks.make_query(cursor, relation.name, relation.candidate)
        if masks and schema == MARTS
        else f"select * from {relation.published}"
        for relation in relations
        for schema in relation.shown_in
    }
    copied = sum(_create_table(cursor, table) for table in _iterate_tables(relations, on_progress))
    before = set_aside.restore(cursor)  # what a run left that was ended
    old_tables = _clear_names(cursor, relations)  # readers wait from here until the transaction ends
    for relation in relations:
        if relation.is_view:
            _create_view(cursor, relation, [relation.schema for relation in relations])
        else:
            cursor.execute(f"alter table {relation.published}{NEW} rename to {relation.name}")
        _copy_comments(cursor, relation, relation.published, MARK)
    if masks:
        prepare_masks(cursor)
        add_pseudonyms(cursor)
    for relation in relations:
        for schema in relation.shown_in:
            _redirect_view(cursor, relation, schema, queries[schema, relation.name])
    for name in old_tables:
        cursor.execute(f"drop table {PUBLISHED}.{name} cascade")
    set_aside.require_restored(cursor, before)
    ownership.remember_ours(cursor)
    read = [*(f"{schema}.{name}" for schema, name in queries), *([PSEUDONYMS_TABLE] if masks else [])]
    relation_states.forget(cursor, relation_states.PUBLISHED_SCHEMAS)
    relation_states.remember(cursor, [*(relation.published for relation in relations), *read])
    return copied


def _require_free_names(cursor: Cursor, relations: Sequence[Relation]) -> None:
    """Raise PipelineError where something of others has a name that we are about to use."""
    names = [(PUBLISHED, f"{relation.name}{suffix}") for relation in relations for suffix in ("", NEW, OLD)]
    names += [(PUBLISHED, f"{name}{OLD}") for name in ownership.list_ours(cursor, PUBLISHED)]
    names += [(schema, relation.name) for relation in relations for schema in relation.shown_in]
    names.append((PUBLISHED, PSEUDONYMS))
    ownership.require_free_names(cursor, names)


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
        key = table.touched.get("unique", table.touched["column"])
        cursor.execute(f"create unique index on {table.published}{NEW} ({key})")
    for column in table.read_by:
        cursor.execute(f"create index on {table.published}{NEW} ({column})")
    return copied


def _clear_names(cursor: Cursor, relations: Sequence[Relation]) -> list[str]:
    """Rename what was published before, with relations that the project has no longer, and return the new names of the
    tables. The views go when these are dropped. What others made on them is set aside, but for what reads the marts.
    The pseudonyms stay.
    """
    ours = [name for name in ownership.list_ours(cursor, PUBLISHED) if name != PSEUDONYMS]
    if ours:
        listed = ", ".join(f"{PUBLISHED}.{name}" for name in ours)
        cursor.execute(f"lock table {listed} in access exclusive mode")  # so that nothing more comes to depend on them
    shown = {(schema, relation.name) for relation in relations for schema in relation.shown_in}
    views = [(schema, name) for schema in READ for name in ownership.list_ours(cursor, schema)]
    kept = [f"{schema}.{name}" for schema, name in views if (schema, name) in shown]
    gone = [f"{schema}.{name}" for schema, name in views if (schema, name) not in shown]
    roots = [*(f"{PUBLISHED}.{name}" for name in ours), *gone]
    set_aside.set_aside(cursor, _find_oids(cursor, roots), _find_oids(cursor, kept))
    for mart in gone:
        cursor.execute(f"drop view {mart}")
    cursor.execute(
        "select relname from pg_class where oid = any(%s::oid[]) and relkind = 'r'",
        (_find_oids(cursor, [f"{PUBLISHED}.{name}" for name in ours]),),
    )
    tables = [name for (name,) in cursor.fetchall()]
    for name in ours:
        cursor.execute(f"alter table {PUBLISHED}.{name} rename to {name}{OLD}")
    return [f"{name}{OLD}" for name in tables]


def _find_oids(cursor: Cursor, names: Sequence[str]) -> list[int]:
    cursor.execute("select name::regclass::oid::bigint from unnest(%s::text[]) as name", (list(names),))
    return [oid for (oid,) in cursor.fetchall()]


def _create_view(cursor: Cursor, view: Relation, schemas: Sequence[str]) -> None:
    """Create a candidate's query as a view in published that reads published.

    PostgreSQL writes a query without the schemas on the search path; without them its names resolve to published.
    """
    cursor.execute(f"set local search_path = {', '.join(schemas)}")
    cursor.execute("select pg_get_viewdef(%s::regclass)", (view.candidate,))
    (query,) = cursor.fetchone()
    cursor.execute(f"set local search_path = {PUBLISHED}")
    cursor.execute(f"create view {view.published} as {query}")
    cursor.execute("set local search_path = pg_catalog")


def _redirect_view(cursor: Cursor, mart: Relation, schema: str, query: str) -> None:
    """Have a view for readers be a query on what is in published now."""
    name = f"{schema}.{mart.name}"
    view = f"view {name} as {query}"
    cursor.execute("savepoint before_the_mart")
    try:
        cursor.execute(f"create or replace {view}")
    except InvalidTableDefinition:  # its columns changed
        cursor.execute("rollback to savepoint before_the_mart")
        set_aside.set_aside(cursor, _find_oids(cursor, [name]))
        cursor.execute(f"drop view {name} cascade; create {view}")
    _copy_comments(cursor, mart, name, MART_MARK)


def _copy_comments(cursor: Cursor, relation: Relation, name: str, mark: str) -> None:
    """Give a relation that shows a candidate the candidate's comments, on its columns too."""
    names = {"candidate": relation.candidate, "name": name, "mark": mark, "own_mark": ownership.MARK}
    cursor.execute(COMMENTS, names)
    cursor.execute(*cursor.fetchone())
