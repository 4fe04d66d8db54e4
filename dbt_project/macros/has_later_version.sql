{#- True for a row whose key also stands in a later batch. Of all versions of a key, the one from
    the batch whose name sorts last, byte by byte, is the current one, whatever the order of
    loading. Written as an anti-join: one pass and one hash, no sort of wide rows; and the hash leaves
    out the first batch, which is later than none: often it holds most rows, or all. -#}
{% macro has_later_version(relation, key, alias) -%}
    exists (
        select 1
        from {{ relation }} as later
        where
            later.{{ key }} = {{ alias }}.{{ key }}
            and later.batch collate "C" > {{ alias }}.batch collate "C"
            and later.batch collate "C" > (select min(batch collate "C") from {{ relation }})
    )
{%- endmacro %}
