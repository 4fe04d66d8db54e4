{#- True for a row whose key (with its platform, if `of_platform`) is also in a later batch. The current version of a key is the one from the batch whose
    name sorts last, byte by byte, whatever the order of loading. `not exists` becomes an anti-join: one pass and one
    hash, no sort of wide rows. The hash omits the first batch, which cannot be later and often holds most rows. -#}
{% macro has_later_version(relation, key, alias, of_platform=false) -%}
    exists (
        select 1
        from {{ relation }} as later
        where
            later.{{ key }} = {{ alias }}.{{ key }}
            {%- if of_platform %}
            and {{ is_same_platform("later", alias) }}
            {%- endif %}
            and later.batch collate "C" > {{ alias }}.batch collate "C"
            and later.batch collate "C" > (select min(batch collate "C") from {{ relation }})
    )
{%- endmacro %}
