-- The models in intermediate have the prefix int_. Tables and views that exist are renamed, in intermediate
-- and in published, so that dbt and Publish replace them instead of leaving the old ones behind. Rows, rights
-- and the views of others stay.

do $$
declare
    schema_name text;
    model text;
begin
    foreach schema_name in array array['intermediate', 'published'] loop
        foreach model in array array[
            'post_commenters', 'post_engagement', 'post_ranks', 'user_engagement', 'user_ranks'
        ] loop
            if to_regclass(format('%I.%I', schema_name, 'int_' || model)) is null then
                execute format('alter table if exists %I.%I rename to %I', schema_name, model, 'int_' || model);
            end if;
        end loop;
    end loop;
end
$$;
