{#- True for a row whose key also stands in a later batch. Of all versions of a key, the one from
    the batch whose name sorts last, byte by byte, is the current one, whatever the order of
    loading. Written as an anti-join: one pass and one hash, no sort of wide rows. -#}
{% macro has_later_version(relation, key, alias) -%}
    exists (
        select 1
        from {{ relation }} as later
        where
            later.{{ key }} = {{ alias }}.{{ key }}
            and later.batch collate "C" > {{ alias }}.batch collate "C"
    )
{%- endmacro %}
