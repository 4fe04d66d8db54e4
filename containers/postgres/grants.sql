begin;
do $$ begin if to_regrole('socialmart_loader') is null then create role socialmart_loader nologin; end if; end $$;
do $$ begin if to_regrole('socialmart_transformer') is null then create role socialmart_transformer nologin; end if; end $$;
do $$ begin if to_regrole('socialmart_publisher') is null then create role socialmart_publisher nologin; end if; end $$;
do $$ begin if to_regrole('socialmart_analyst') is null then create role socialmart_analyst nologin; end if; end $$;
do $$ begin if to_regrole('socialmart_personal') is null then create role socialmart_personal nologin; end if; end $$;
do $$ begin if to_regrole('socialmart_guest') is null then create role socialmart_guest nologin; end if; end $$;
do $$ begin if to_regrole('socialmart_officer') is null then create role socialmart_officer nologin; end if; end $$;
do $$ begin if to_regrole('socialmart_auditor') is null then create role socialmart_auditor nologin; end if; end $$;
do $members$
begin
    if current_setting('server_version_num')::integer >= 160000 then
        execute $$grant socialmart_loader, socialmart_transformer, socialmart_publisher to "socialmart" with inherit false, set true$$;
    else
        execute $$alter role "socialmart" noinherit; grant socialmart_loader, socialmart_transformer, socialmart_publisher to "socialmart"$$;
    end if;
end
$members$;
revoke all on database "warehouse" from public;
grant connect on database "warehouse" to "socialmart", socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
do $schema$
begin
    if to_regnamespace('raw_data') is null then
        create schema raw_data authorization socialmart_loader;
    elsif exists (select from pg_namespace where nspname = 'raw_data' and nspowner <> to_regrole('socialmart_loader')) then
        alter schema raw_data owner to socialmart_loader;
    end if;
end
$schema$;
set local role socialmart_loader;
revoke all on schema raw_data from public, socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema raw_data to socialmart_loader;
alter default privileges for role socialmart_loader in schema raw_data revoke all on tables from public, socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema raw_data to socialmart_transformer;
alter default privileges for role socialmart_loader in schema raw_data grant select on tables to socialmart_transformer;
set local role none;
do $schema$
begin
    if to_regnamespace('etl') is null then
        create schema etl authorization socialmart_loader;
    elsif exists (select from pg_namespace where nspname = 'etl' and nspowner <> to_regrole('socialmart_loader')) then
        alter schema etl owner to socialmart_loader;
    end if;
end
$schema$;
set local role socialmart_loader;
revoke all on schema etl from public, socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema etl to socialmart_loader;
alter default privileges for role socialmart_loader in schema etl revoke all on tables from public, socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema etl to socialmart_transformer, socialmart_publisher, socialmart_auditor;
alter default privileges for role socialmart_loader in schema etl grant select on tables to socialmart_transformer, socialmart_publisher, socialmart_auditor;
set local role none;
do $schema$
begin
    if to_regnamespace('luigi_history') is null then
        create schema luigi_history authorization socialmart_loader;
    elsif exists (select from pg_namespace where nspname = 'luigi_history' and nspowner <> to_regrole('socialmart_loader')) then
        alter schema luigi_history owner to socialmart_loader;
    end if;
end
$schema$;
set local role socialmart_loader;
revoke all on schema luigi_history from public, socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema luigi_history to socialmart_loader;
alter default privileges for role socialmart_loader in schema luigi_history revoke all on tables from public, socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
set local role none;
do $schema$
begin
    if to_regnamespace('staging') is null then
        create schema staging authorization socialmart_transformer;
    elsif exists (select from pg_namespace where nspname = 'staging' and nspowner <> to_regrole('socialmart_transformer')) then
        alter schema staging owner to socialmart_transformer;
    end if;
end
$schema$;
set local role socialmart_transformer;
revoke all on schema staging from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema staging to socialmart_transformer;
alter default privileges for role socialmart_transformer in schema staging revoke all on tables from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema staging to socialmart_loader, socialmart_publisher;
alter default privileges for role socialmart_transformer in schema staging grant select on tables to socialmart_loader, socialmart_publisher;
set local role none;
do $schema$
begin
    if to_regnamespace('core') is null then
        create schema core authorization socialmart_transformer;
    elsif exists (select from pg_namespace where nspname = 'core' and nspowner <> to_regrole('socialmart_transformer')) then
        alter schema core owner to socialmart_transformer;
    end if;
end
$schema$;
set local role socialmart_transformer;
revoke all on schema core from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema core to socialmart_transformer;
alter default privileges for role socialmart_transformer in schema core revoke all on tables from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema core to socialmart_loader;
alter default privileges for role socialmart_transformer in schema core grant select on tables to socialmart_loader;
set local role none;
do $schema$
begin
    if to_regnamespace('intermediate') is null then
        create schema intermediate authorization socialmart_transformer;
    elsif exists (select from pg_namespace where nspname = 'intermediate' and nspowner <> to_regrole('socialmart_transformer')) then
        alter schema intermediate owner to socialmart_transformer;
    end if;
end
$schema$;
set local role socialmart_transformer;
revoke all on schema intermediate from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema intermediate to socialmart_transformer;
alter default privileges for role socialmart_transformer in schema intermediate revoke all on tables from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema intermediate to socialmart_loader, socialmart_publisher;
alter default privileges for role socialmart_transformer in schema intermediate grant select on tables to socialmart_loader, socialmart_publisher;
set local role none;
do $schema$
begin
    if to_regnamespace('candidates') is null then
        create schema candidates authorization socialmart_transformer;
    elsif exists (select from pg_namespace where nspname = 'candidates' and nspowner <> to_regrole('socialmart_transformer')) then
        alter schema candidates owner to socialmart_transformer;
    end if;
end
$schema$;
set local role socialmart_transformer;
revoke all on schema candidates from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema candidates to socialmart_transformer;
alter default privileges for role socialmart_transformer in schema candidates revoke all on tables from public, socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema candidates to socialmart_loader, socialmart_publisher;
alter default privileges for role socialmart_transformer in schema candidates grant select on tables to socialmart_loader, socialmart_publisher;
set local role none;
do $schema$
begin
    if to_regnamespace('published') is null then
        create schema published authorization socialmart_publisher;
    elsif exists (select from pg_namespace where nspname = 'published' and nspowner <> to_regrole('socialmart_publisher')) then
        alter schema published owner to socialmart_publisher;
    end if;
end
$schema$;
set local role socialmart_publisher;
revoke all on schema published from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema published to socialmart_publisher;
alter default privileges for role socialmart_publisher in schema published revoke all on tables from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema published to socialmart_loader;
alter default privileges for role socialmart_publisher in schema published grant select on tables to socialmart_loader;
set local role none;
do $schema$
begin
    if to_regnamespace('marts') is null then
        create schema marts authorization socialmart_publisher;
    elsif exists (select from pg_namespace where nspname = 'marts' and nspowner <> to_regrole('socialmart_publisher')) then
        alter schema marts owner to socialmart_publisher;
    end if;
end
$schema$;
set local role socialmart_publisher;
revoke all on schema marts from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema marts to socialmart_publisher;
alter default privileges for role socialmart_publisher in schema marts revoke all on tables from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema marts to socialmart_loader, socialmart_analyst, socialmart_personal;
alter default privileges for role socialmart_publisher in schema marts grant select on tables to socialmart_loader, socialmart_analyst, socialmart_personal;
set local role none;
do $schema$
begin
    if to_regnamespace('marts_personal') is null then
        create schema marts_personal authorization socialmart_publisher;
    elsif exists (select from pg_namespace where nspname = 'marts_personal' and nspowner <> to_regrole('socialmart_publisher')) then
        alter schema marts_personal owner to socialmart_publisher;
    end if;
end
$schema$;
set local role socialmart_publisher;
revoke all on schema marts_personal from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema marts_personal to socialmart_publisher;
alter default privileges for role socialmart_publisher in schema marts_personal revoke all on tables from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema marts_personal to socialmart_loader, socialmart_personal;
alter default privileges for role socialmart_publisher in schema marts_personal grant select on tables to socialmart_loader, socialmart_personal;
set local role none;
do $schema$
begin
    if to_regnamespace('open') is null then
        create schema open authorization socialmart_publisher;
    elsif exists (select from pg_namespace where nspname = 'open' and nspowner <> to_regrole('socialmart_publisher')) then
        alter schema open owner to socialmart_publisher;
    end if;
end
$schema$;
set local role socialmart_publisher;
revoke all on schema open from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant all on schema open to socialmart_publisher;
alter default privileges for role socialmart_publisher in schema open revoke all on tables from public, socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor;
grant usage on schema open to socialmart_loader, socialmart_analyst, socialmart_personal, socialmart_guest;
alter default privileges for role socialmart_publisher in schema open grant select on tables to socialmart_loader, socialmart_analyst, socialmart_personal, socialmart_guest;
set local role none;
do $objects$
declare
    found record;
begin
    for found in
        select
            kind, name, owner, others, readers, is_shared, is_for_all,
            owner_now <> to_regrole(owner) as is_to_be_handed_over
        from (values ('raw_data', 'socialmart_loader', 'socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_transformer'), ('etl', 'socialmart_loader', 'socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_transformer, socialmart_publisher, socialmart_auditor'), ('luigi_history', 'socialmart_loader', 'socialmart_transformer, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', ''), ('staging', 'socialmart_transformer', 'socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader, socialmart_publisher'), ('core', 'socialmart_transformer', 'socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader'), ('intermediate', 'socialmart_transformer', 'socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader, socialmart_publisher'), ('candidates', 'socialmart_transformer', 'socialmart_loader, socialmart_publisher, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader, socialmart_publisher'), ('published', 'socialmart_publisher', 'socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader'), ('marts', 'socialmart_publisher', 'socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader, socialmart_analyst, socialmart_personal'), ('marts_personal', 'socialmart_publisher', 'socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader, socialmart_personal'), ('open', 'socialmart_publisher', 'socialmart_loader, socialmart_transformer, socialmart_analyst, socialmart_personal, socialmart_guest, socialmart_officer, socialmart_auditor', 'socialmart_loader, socialmart_analyst, socialmart_personal, socialmart_guest')) as schemas (schema_name, owner, others, readers)
        inner join (
            select
                relnamespace as namespace,
                relowner as owner_now,
                case relkind when 'v' then 'view' else 'table' end as kind,
                format('%I.%I', relnamespace::regnamespace, relname) as name,
                relnamespace = to_regnamespace('etl') and relname = any('{relations, own_relations, set_aside}') as is_shared,
                false as is_for_all
            from pg_class
            where
                relkind in ('r', 'v')
                and (
                    relnamespace = to_regnamespace('luigi_history')
                    or strpos(coalesce(obj_description(oid, 'pg_class'), ''), 'Written by the stage') > 0
                )
            union all
            select
                pronamespace, proowner, 'function', oid::regprocedure::text, false,
                format('%s.%s', pronamespace::regnamespace, proname) <> 'etl.append_audit'
            from pg_proc
            where format('%s.%s', pronamespace::regnamespace, proname) = any('{etl.digest_query, etl.describe_relation, etl.remember_relations, etl.count_changes, etl.append_audit, published.mask_text}')
        ) as objects on namespace = to_regnamespace(schema_name)
    loop
        if found.is_to_be_handed_over then
            execute format('alter %s %s owner to %s', found.kind, found.name, found.owner);
        end if;
        execute format('set local role %s', found.owner);
        if found.kind = 'function' then
            execute format('revoke all on function %s from public, %s', found.name, found.others);
            if found.is_for_all then
                execute format('grant execute on function %s to public', found.name);
            end if;
            set local role none;
            continue;
        end if;
        execute format('revoke all on %s from public, %s', found.name, found.others);
        if found.readers <> '' then
            execute format('grant select on %s to %s', found.name, found.readers);
        end if;
        if found.is_shared then
            execute format('grant insert, update, delete on %s to socialmart_transformer, socialmart_publisher', found.name);
        end if;
        set local role none;
    end loop;
end
$objects$;
commit;
