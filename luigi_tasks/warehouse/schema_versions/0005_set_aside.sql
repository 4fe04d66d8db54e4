-- What others made on relations that a run replaces, as the SQL that makes it again, until it is made again.
create table if not exists etl.set_aside (
    position bigint generated always as identity primary key,
    kind text not null,
    name text not null,
    owner text not null,
    statements text[] not null,
    rights text[], -- null: those that every new relation has
    reason text, -- why it could not be made again
    set_aside_at timestamptz not null default now(),
    unique (kind, name)
);

-- Relations of ours as the last run left them: they are known by these where somebody changed their comments.
create table if not exists etl.own_relations (
    oid oid primary key,
    schema_name text not null
);

-- Relations of ours have a comment that tells them from those of others. An older version left none: of a warehouse
-- that it loaded, relations with a name and columns of ours are ours.
do $$
declare
    relation record;
begin
    if
        not exists (select from etl.table_updates)
        or exists (select from etl.schema_versions where name = 'set_aside') -- runs again: raw_data was dropped
    then
        return;
    end if;
    for relation in
        select
            pg_class.oid::regclass as name,
            relkind,
            concat_ws(
                ' ',
                obj_description(pg_class.oid, 'pg_class'),
                'Written by the stage ' || case when schema_name in ('published', 'marts') then 'Publish.' else 'DbtRun.' end
            ) as remark
        from (
            values
            ('staging', 'stg_users', '{user_id, username, batch}'),
            ('staging', 'stg_posts', '{post_id, user_id, batch}'),
            ('staging', 'stg_comments', '{comment_text, post_id}'),
            ('staging', 'touched_keys', '{kind}'),
            ('core', 'dim_users', '{user_sk, user_id}'),
            ('core', 'dim_posts', '{post_sk, post_id}'),
            ('core', 'dim_tags', '{tag_sk}'),
            ('core', 'dim_locations', '{location_sk}'),
            ('core', 'dim_dates', '{date_day}'),
            ('core', 'bridge_post_tags', '{post_sk, tag_sk}'),
            ('core', 'fact_post_interactions', '{post_sk, shares}'),
            ('core', 'fact_comments', '{comment_sk, post_sk}'),
            ('intermediate', 'int_post_commenters', '{post_sk}'),
            ('intermediate', 'int_post_engagement', '{post_sk, total_engagement}'),
            ('intermediate', 'int_post_ranks', '{total_engagement, engagement_rank}'),
            ('intermediate', 'int_user_engagement', '{user_sk, total_engagement}'),
            ('intermediate', 'int_user_ranks', '{total_engagement, engagement_rank}'),
            ('candidates', 'user_engagement_mart', '{user_id, total_engagement}'),
            ('candidates', 'content_performance_mart', '{post_id, total_engagement}'),
            ('candidates', 'tag_analysis_mart', '{tag, total_engagement}'),
            ('candidates', 'location_analysis_mart', '{location, total_engagement}'),
            ('candidates', 'daily_engagement_mart', '{date_day, posts}'),
            ('published', 'int_post_engagement', '{post_sk, total_engagement}'),
            ('published', 'int_post_ranks', '{total_engagement, engagement_rank}'),
            ('published', 'int_user_engagement', '{user_sk, total_engagement}'),
            ('published', 'int_user_ranks', '{total_engagement, engagement_rank}'),
            ('published', 'user_engagement_mart', '{user_id, total_engagement}'),
            ('published', 'content_performance_mart', '{post_id, total_engagement}'),
            ('published', 'tag_analysis_mart', '{tag, total_engagement}'),
            ('published', 'location_analysis_mart', '{location, total_engagement}'),
            ('published', 'daily_engagement_mart', '{date_day, posts}'),
            ('marts', 'user_engagement_mart', '{user_id, total_engagement}'),
            ('marts', 'content_performance_mart', '{post_id, total_engagement}'),
            ('marts', 'tag_analysis_mart', '{tag, total_engagement}'),
            ('marts', 'location_analysis_mart', '{location, total_engagement}'),
            ('marts', 'daily_engagement_mart', '{date_day, posts}')
        ) as ours (schema_name, name, columns)
        inner join pg_class
            on relname in (ours.name, ours.name || '__dbt_backup') and relnamespace = to_regnamespace(schema_name)
        where
            relkind in ('r', 'v')
            and strpos(coalesce(obj_description(pg_class.oid, 'pg_class'), ''), 'Written by the stage') = 0
            and columns::text [] <@ array(
                select attname::text from pg_attribute where attrelid = pg_class.oid and attnum > 0 and not attisdropped
            )
    loop
        execute format(
            'comment on %s %s is %L',
            case relation.relkind when 'v' then 'view' else 'table' end,
            relation.name,
            relation.remark
        );
    end loop;
end
$$;
