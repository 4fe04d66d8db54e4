-- The models in intermediate have the prefix int_. Tables and views that exist are renamed, in intermediate
-- and in published, so that dbt and Publish replace them instead of leaving the old ones behind. Rows, rights
-- and the views of others stay. Only in a warehouse that an older version loaded, and only what has our columns:
-- anything else with such a name was made by others.

do $$
declare
    schema_name text;
    model record;
    relation regclass;
begin
    if
        not exists (select from etl.table_updates)
        or exists (select from etl.schema_versions where name = 'int_prefix_of_intermediate_models') -- runs again
    then
        return;
    end if;
    foreach schema_name in array array['intermediate', 'published'] loop
        for model in
            select *
            from (
                values
                ('post_commenters', '{post_sk, total_users_interacted}'),
                ('post_engagement', '{post_sk, total_engagement}'),
                ('post_ranks', '{total_engagement, engagement_rank}'),
                ('user_engagement', '{user_sk, total_engagement}'),
                ('user_ranks', '{total_engagement, engagement_rank}')
            ) as models (name, columns)
        loop
            relation := to_regclass(format('%I.%I', schema_name, model.name));
            if
                to_regclass(format('%I.%I', schema_name, 'int_' || model.name)) is null
                and exists (
                    select from pg_class
                    where
                        oid = relation
                        and relkind in ('r', 'v')
                        and model.columns::text [] <@ array(
                            select attname::text
                            from pg_attribute
                            where attrelid = relation and attnum > 0 and not attisdropped
                        )
                )
            then
                execute format('alter table %I.%I rename to %I', schema_name, model.name, 'int_' || model.name);
            end if;
        end loop;
    end loop;
end
$$;
