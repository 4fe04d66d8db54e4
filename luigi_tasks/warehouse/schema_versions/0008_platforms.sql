-- Exports of other platforms: the platform stands in every key, measures that a format lacks are null, and skipped records
-- are counted. Rows that older versions loaded are of the native format, which leaves all these columns null.
do $$
declare
    unchanged text [];
    versions_index regclass;
begin
    select coalesce(array_agg(name), '{}') into unchanged
    from etl.relations
    where
        name in ('raw_data.users', 'raw_data.posts', 'raw_data.comments', 'etl.ledger', 'etl.replaced_keys')
        and relation = to_regclass(name)
        and shape = etl.describe_relation(relation);

    alter table raw_data.users
        add column if not exists platform text,
        add column if not exists location text,
        add column if not exists followers bigint;
    alter table raw_data.posts
        add column if not exists platform text,
        add column if not exists other_reactions bigint,
        add column if not exists score bigint,
        add column if not exists reported_comments bigint,
        add column if not exists views bigint,
        add column if not exists quotes bigint,
        add column if not exists saves bigint,
        add column if not exists url text,
        add column if not exists post_type text,
        add column if not exists lang text,
        add column if not exists channel text,
        alter column post_index drop not null,
        alter column user_id drop not null,
        alter column shares drop not null,
        alter column likes drop not null,
        alter column love drop not null,
        alter column wow drop not null,
        alter column haha drop not null,
        alter column sad drop not null,
        alter column angry drop not null;
    alter table raw_data.comments
        add column if not exists platform text,
        add column if not exists comment_id text,
        add column if not exists parent_comment_id text,
        add column if not exists author_name text,
        add column if not exists likes bigint,
        add column if not exists score bigint,
        alter column post_index drop not null;
    alter table etl.ledger add column if not exists skipped bigint not null default 0;
    alter table etl.replaced_keys add column if not exists platform text;

    -- One version a batch and id becomes one a batch, id and platform: the stages Load and DbtRun create these again.
    for versions_index in
        select indexrelid::regclass
        from pg_index
        where
            (indrelid, indexrelid) in (
                ('raw_data.users'::regclass, to_regclass('raw_data.users_versions')),
                ('raw_data.posts'::regclass, to_regclass('raw_data.posts_versions'))
            )
            and strpos(pg_get_indexdef(indexrelid), 'platform') = 0
    loop
        execute format('drop index %s', versions_index);
    end loop;

    -- what others changed before still shows
    update etl.relations set shape = etl.describe_relation(relation)
    where name = any(unchanged);
end
$$;

-- Records that stand alone, not in a document of the native export: their author or post can be missing. The native
-- format has none, so that these indexes cost it nothing.
create index if not exists posts_of_authors on raw_data.posts (user_id)
where post_index is null or platform is not null;
create index if not exists comments_of_posts on raw_data.comments (post_id)
where post_index is null or platform is not null;
