-- What the pipeline's tables and views are like since it last wrote them, so that a change by anybody else shows; what
-- each marker's rows are; and which project the warehouse belongs to.

alter table etl.table_updates add column if not exists content text not null default '';

do $$
begin
    if to_regclass('etl.relations') is null then -- nothing is known of what dbt built: it is built again
        delete from etl.table_updates where target_table in ('candidates', 'marts');
    end if;
end
$$;
create table if not exists etl.relations (
    name text primary key,
    relation oid not null,
    filenode oid not null,
    shape text not null,
    inserted bigint not null,
    updated bigint not null,
    deleted bigint not null,
    suspicion text not null default '',
    verified_at timestamptz not null default now()
);
create table if not exists etl.project (
    is_only boolean primary key default true check (is_only),
    project_id text not null,
    host text not null,
    checkpoints text not null,
    since timestamptz not null default now()
);

-- A digest of a view's query. Without pg_get_viewdef, which waits for locks on what the view reads; without what differs
-- in a restored copy: places in the text, and numbers of relations and roles, for which the names of relations stand.
create or replace function etl.digest_query(relation oid) returns text language sql stable
set search_path = pg_catalog as $function$
    select
        md5(
            regexp_replace(ev_action::text, ':(relid|checkAsUser|location|stmt_location|stmt_len) -?[0-9]+', '', 'g')
            || (
                select string_agg(distinct refobjid::regclass::text, ' ' order by refobjid::regclass::text)
                from pg_depend
                where classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid and refclassid = 'pg_class'::regclass
            )
        )
    from pg_rewrite where ev_class = relation and rulename = '_RETURN'
$function$;

-- The columns of a table or view, in their order, and whatever makes the rows of a table other than those written to
-- it; of a view, also a digest of its query. Null where there is no such relation.
create or replace function etl.describe_relation(relation oid) returns text language sql stable
set search_path = pg_catalog as $function$
    select
        coalesce(
            (
                select string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
                from pg_attribute
                where attrelid = pg_class.oid and attnum > 0 and not attisdropped
            ),
            'no column'
        )
        || case relkind
            when 'r' then ''
            when 'v' then '; query ' || etl.digest_query(oid)
            else format('; of the kind %s', relkind)
        end
        || case relpersistence when 'p' then '' else '; not logged' end
        || case when relkind = 'r' and relhasrules then '; with rules' else '' end
        || case when relhassubclass then '; with child tables' else '' end
        || case when relforcerowsecurity then '; with policies that bind its owner' else '' end
        || coalesce(
            '; with the trigger ' -- of those that can change or drop a row before it is written
            || (
                select string_agg(tgname, ', ' order by tgname)
                from pg_trigger where tgrelid = pg_class.oid and not tgisinternal and tgtype & 3 = 3
            ),
            ''
        )
    from pg_class where oid = relation
$function$;

-- Remember relations that this transaction created, replaced or truncated.
create or replace function etl.remember_relations(names text[]) returns void language sql
set search_path = pg_catalog as $function$
    insert into etl.relations as known (name, relation, filenode, shape, inserted, updated, deleted)
    select
        named.name,
        found.oid,
        coalesce(pg_relation_filenode(found.oid), 0),
        etl.describe_relation(found.oid),
        pg_stat_get_xact_tuples_inserted(found.oid),
        pg_stat_get_xact_tuples_updated(found.oid),
        pg_stat_get_xact_tuples_deleted(found.oid)
    from unnest(names) as named (name)
    join pg_class as found on found.oid = to_regclass(named.name)
    on conflict (name) do update set
        relation = excluded.relation,
        filenode = excluded.filenode,
        shape = excluded.shape,
        inserted = excluded.inserted + case when known.relation = excluded.relation then known.inserted else 0 end,
        updated = excluded.updated + case when known.relation = excluded.relation then known.updated else 0 end,
        deleted = excluded.deleted + case when known.relation = excluded.relation then known.deleted else 0 end,
        suspicion = '',
        verified_at = now()
$function$;

-- Add what this transaction changed in a table to what is remembered of it.
create or replace function etl.count_changes(changed text) returns void language sql
set search_path = pg_catalog as $function$
    update etl.relations set
        inserted = inserted + pg_stat_get_xact_tuples_inserted(relation),
        updated = updated + pg_stat_get_xact_tuples_updated(relation),
        deleted = deleted + pg_stat_get_xact_tuples_deleted(relation)
    where name = changed and relation = to_regclass(changed)
$function$;
