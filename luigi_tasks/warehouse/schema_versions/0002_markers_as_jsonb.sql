-- Fingerprints of a marker as jsonb: {"inputs": "…", "code": "…"}. Before, the update_id listed them as text:
-- TABLE/BATCH#inputs=…,code=…. A damaged list becomes {}, a marker of nothing: its stage runs again.
do $$
begin
    if exists (
        select from pg_attribute
        where attrelid = 'etl.table_updates'::regclass and attname = 'built_from' and not attisdropped
    ) then
        return;
    end if;
    alter table etl.table_updates add column built_from jsonb not null default '{}';
    update etl.table_updates set
        built_from = coalesce(
            (
                select
                    case
                        when bool_and(strpos(pair, '=') > 1)
                            then jsonb_object_agg(split_part(pair, '=', 1), substr(pair, strpos(pair, '=') + 1))
                    end
                from unnest(string_to_array(substring(update_id from '#([^#]*)$'), ',')) as pair
            ),
            '{}'
        ),
        update_id = target_table || '/' || batch;
    alter table etl.table_updates alter column built_from drop default;
end
$$;
