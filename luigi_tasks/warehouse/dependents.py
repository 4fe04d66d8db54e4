"""What others made on relations of ours: finds it, and reads from the catalogue the SQL that makes it again.

PostgreSQL records what views, materialized views, foreign keys and functions with a body of SQL statements
(`begin atomic`) read. It records nothing of a function whose body is a text: such a function is no dependent, stays
as it is, and finds relations by their names when it is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

RIGHTS = "rights"
"""Kind of what is kept of a relation of ours: its policies, triggers, extended statistics, and the grants on it."""

FIND = """
with recursive
found (classid, objid, path) as (
    select 'pg_class'::regclass::oid, root, array[root] from unnest(%(roots)s::oid []) as root
    union all
    select reader.classid, reader.objid, found.path || reader.objid
    from found
    cross join lateral (
        select
            case when rule.oid is null then dep.classid else 'pg_class'::regclass::oid end as classid,
            coalesce(rule.ev_class, dep.objid) as objid
        from pg_depend as dep
        left join pg_rewrite as rule
            on dep.classid = 'pg_rewrite'::regclass and dep.objid = rule.oid and rule.rulename = '_RETURN'
        where
            found.classid = dep.refclassid
            and found.objid = dep.refobjid
            and (dep.deptype = 'n' or dep.deptype = 'i' and dep.classid = 'pg_type'::regclass)
    ) as reader
    where reader.objid <> all(found.path) and reader.objid <> all(%(roots)s::oid [] || %(kept)s::oid [])
),
deepest as (
    select classid, objid, max(array_length(path, 1)) as depth
    from found
    where array_length(path, 1) > 1
    group by classid, objid
),
described as (
    select
        deepest.objid,
        deepest.depth,
        deepest.classid = 'pg_type'::regclass and (pg_type.typrelid <> 0 or pg_type.typelem <> 0) as is_row_type,
        coalesce(rule.ev_class, tgrelid, polrelid, adrelid, indrelid, conrelid) as belongs_to,
        relpersistence = 't' as is_temporary,
        case
            when relkind = 'v' then 'view'
            when relkind = 'm' then 'materialized view'
            when prokind in ('f', 'p') then 'routine'
            when contype = 'f' then 'foreign key'
        end as kind,
        pg_describe_object(deepest.classid, deepest.objid, 0) as description
    from deepest
    left join pg_class on deepest.classid = 'pg_class'::regclass and deepest.objid = pg_class.oid
    left join pg_index on deepest.classid = 'pg_class'::regclass and deepest.objid = indexrelid
    left join pg_type on deepest.classid = 'pg_type'::regclass and deepest.objid = pg_type.oid
    left join pg_proc on deepest.classid = 'pg_proc'::regclass and deepest.objid = pg_proc.oid
    left join pg_constraint as con on deepest.classid = 'pg_constraint'::regclass and deepest.objid = con.oid
    left join pg_rewrite as rule on deepest.classid = 'pg_rewrite'::regclass and deepest.objid = rule.oid
    left join pg_trigger as trig on deepest.classid = 'pg_trigger'::regclass and deepest.objid = trig.oid
    left join pg_policy as pol on deepest.classid = 'pg_policy'::regclass and deepest.objid = pol.oid
    left join pg_attrdef as def on deepest.classid = 'pg_attrdef'::regclass and deepest.objid = def.oid
    where coalesce(con.conparentid, 0) = 0
)
select objid, kind, description
from described
where
    not is_row_type
    and coalesce(not is_temporary, true)
    and coalesce(belongs_to <> all(%(roots)s::oid [] || array(select objid from deepest)), true)
order by kind = 'foreign key', depth, objid
"""

NAMED_RELATION = """
with target as (
    select
        pg_class.*,
        format('%%I.%%I', nspname, relname) as name,
        case relkind when 'r' then 'table' when 'v' then 'view' else 'materialized view' end as kind
    from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
    where pg_class.oid = %(oid)s
)
"""
GRANTEE = "case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end"
WITH_OPTION = "case when is_grantable then ' with grant option' else '' end"
RELATION_RIGHTS = f"""
array(
    select format(
        'grant %%s on %%s to %%s%%s', string_agg(privilege_type, ', ' order by privilege_type), name,
        {GRANTEE}, {WITH_OPTION}
    )
    from aclexplode(relacl) where grantee <> relowner group by grantee, is_grantable
    union all
    select format('grant %%s (%%I) on %%s to %%s%%s', privilege_type, attname, name, {GRANTEE}, {WITH_OPTION})
    from pg_attribute cross join aclexplode(attacl)
    where attrelid = target.oid and not attisdropped and grantee <> relowner
    order by 1
)
"""
HAS_RIGHTS = """
(relacl is not null
or exists (select from pg_attribute where attrelid = target.oid and attacl is not null and not attisdropped))
"""

READ_RELATION = f"""
{NAMED_RELATION}
select
    name,
    pg_get_userbyid(relowner)::text,
    array(
        select statement
        from (
            select 1, 0, format(
                'create %%s %%s%%s as %%s%%s', kind, name,
                (
                    select format(' with (%%s)', string_agg(format('%%I = %%L', option_name, option_value), ', '))
                    from pg_options_to_table(reloptions) having count(*) > 0
                ),
                rtrim(pg_get_viewdef(oid), ';'),
                case relkind when 'm' then ' with no data' else '' end
            )
            union all -- before the indexes: functions in these then run as the owner, never as the pipeline
            select 1, 1, format('alter %%s %%s owner to %%I', kind, name, pg_get_userbyid(relowner))
            union all
            select 2, adnum, format(
                'alter view %%s alter column %%I set default %%s', name, attname, pg_get_expr(adbin, adrelid)
            )
            from pg_attrdef inner join pg_attribute on adrelid = attrelid and adnum = attnum
            where adrelid = target.oid
            union all
            select 3, 0, pg_get_indexdef(indexrelid) from pg_index where indrelid = target.oid
            union all
            select 3, 1, format('alter materialized view %%s cluster on %%I', name, clustering.relname)
            from pg_index inner join pg_class as clustering on indexrelid = clustering.oid
            where indrelid = target.oid and indisclustered
            union all
            select 4, 0, rtrim(pg_get_ruledef(pg_rewrite.oid), ';') from pg_rewrite
            where ev_class = target.oid and rulename <> '_RETURN'
            union all
            select 4, 1, pg_get_triggerdef(pg_trigger.oid) from pg_trigger
            where tgrelid = target.oid and not tgisinternal
            union all
            select 5, objsubid, case objsubid
                when 0 then format('comment on %%s %%s is %%L', kind, name, description)
                else format('comment on column %%s.%%I is %%L', name, attname, description)
            end
            from pg_description left join pg_attribute on objoid = attrelid and objsubid = attnum
            where classoid = 'pg_class'::regclass and objoid = target.oid
            union all
            select 6, 0, format('refresh materialized view %%s', name) where relkind = 'm' and relispopulated
        ) as steps (step, number, statement)
        order by step, number, statement
    ),
    case when {HAS_RIGHTS} then {RELATION_RIGHTS} end,
    format('drop %%s %%s cascade', kind, name)
from target
"""

READ_ROUTINE = f"""
with target as (select pg_proc.*, pg_proc.oid::regprocedure::text as name from pg_proc where oid = %(oid)s)
select
    name,
    pg_get_userbyid(proowner)::text,
    array[regexp_replace(pg_get_functiondef(oid), '^CREATE OR REPLACE ', 'create ')]
    || array(
        select format('comment on routine %%s is %%L', name, obj_description(target.oid, 'pg_proc'))
        where obj_description(target.oid, 'pg_proc') is not null
    )
    || format('alter routine %%s owner to %%I', name, pg_get_userbyid(proowner)),
    case when proacl is not null then format('revoke all on routine %%s from public', name) || array(
        select format('grant execute on routine %%s to %%s%%s', name, {GRANTEE}, {WITH_OPTION})
        from aclexplode(proacl) where grantee <> proowner
        order by 1
    ) end,
    format('drop routine %%s cascade', name)
from target
"""

READ_FOREIGN_KEY = """
select
    format('%%I on %%s', conname, conrelid::regclass),
    pg_get_userbyid(relowner)::text,
    array[format('alter table %%s add constraint %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(con.oid))],
    null::text [],
    format('alter table %%s drop constraint %%I', conrelid::regclass, conname)
from pg_constraint as con inner join pg_class on conrelid = pg_class.oid
where con.oid = %(oid)s
"""

READ_RIGHTS = f"""
{NAMED_RELATION}
select
    name,
    pg_get_userbyid(relowner)::text,
    array(
        select format('alter table %%s enable row level security', name) where relrowsecurity
        union all
        select format('alter table %%s force row level security', name) where relforcerowsecurity
    )
    || array(
        select format(
            'drop policy if exists %%1$I on %%2$s; create policy %%1$I on %%2$s as %%3$s for %%4$s to %%5$s%%6$s%%7$s',
            polname, name,
            case when polpermissive then 'permissive' else 'restrictive' end,
            case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                else 'all' end,
            (select string_agg({GRANTEE}, ', ') from unnest(polroles) as roles (grantee)),
            ' using (' || pg_get_expr(polqual, polrelid) || ')',
            ' with check (' || pg_get_expr(polwithcheck, polrelid) || ')'
        )
        from pg_policy where polrelid = target.oid
        order by polname
    )
    || array(
        select format('drop trigger if exists %%I on %%s; %%s', tgname, name, pg_get_triggerdef(pg_trigger.oid))
        from pg_trigger where tgrelid = target.oid and not tgisinternal
        order by tgname
    )
    || array(
        select format(
            'drop statistics if exists %%I.%%I; %%s', nspname, stxname, pg_get_statisticsobjdef(pg_statistic_ext.oid)
        )
        from pg_statistic_ext inner join pg_namespace on stxnamespace = pg_namespace.oid where stxrelid = target.oid
        order by stxname
    ),
    case when {HAS_RIGHTS} then {RELATION_RIGHTS} end,
    null
from target
"""

READ = {
    "view": READ_RELATION,
    "materialized view": READ_RELATION,
    "routine": READ_ROUTINE,
    "foreign key": READ_FOREIGN_KEY,
    RIGHTS: READ_RIGHTS,
}
"""The query that reads an object's name, owner, the SQL that makes it again, and that of its rights, by kind."""


@dataclass(frozen=True)
class Definition:
    """The SQL that makes an object again, and that drops it (None: that of a relation of ours does).

    `rights` is None where it has those that every new object has.
    """

    kind: str
    name: str
    owner: str
    statements: Sequence[str]
    rights: Sequence[str] | None
    drop: str | None


@dataclass(frozen=True)
class Dependent:
    """An object that depends on relations of ours. Its `kind` is None where it cannot be made again."""

    oid: int
    kind: str | None
    description: str


def find_dependents(cursor: Cursor, roots: Sequence[int], kept: Sequence[int] = ()) -> list[Dependent]:
    """What depends on relations, directly or not, each after those that it depends on.

    `roots` are the oids of the relations. Relations in `kept`, and what depends on these alone, are left out. So are
    temporary views, which end with their sessions.
    """
    cursor.execute(FIND, {"roots": list(roots), "kept": list(kept)})
    return [Dependent(*row) for row in cursor.fetchall()]


def read_definition(cursor: Cursor, kind: str, oid: int) -> Definition:
    """The SQL that makes an object again, all names in it with their schemas."""
    cursor.execute(READ[kind], {"oid": oid})
    return Definition(kind, *cursor.fetchone())
