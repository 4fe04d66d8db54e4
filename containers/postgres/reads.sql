-- Has pgaudit log who reads which table or view of the warehouse: what the role `audited_reads` may read is logged, and
-- nobody is in that role. It is run at every start; run it by hand after new roles have been given schemas.
--
-- All that the warehouse has counts, as texts, keys and counts may lead to persons everywhere, and so do all logins: of a
-- run it takes a few hundred lines.
select 'create role audited_reads nologin'
where not exists (select from pg_roles where rolname = 'audited_reads')
\gexec

select format('grant select on all tables in schema %I to audited_reads', nspname)
from pg_namespace
where nspname !~ '^pg_' and nspname <> 'information_schema'
\gexec

-- What the owners of the database and of its schemas will create.
select format('alter default privileges for role %I grant select on tables to audited_reads', rolname)
from pg_roles
where
    not rolsuper
    and oid in (
        select nspowner from pg_namespace
        union all
        select datdba from pg_database where datname = current_database()
    )
    and rolname !~ '^pg_'
\gexec
