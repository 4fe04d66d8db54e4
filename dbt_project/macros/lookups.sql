{#- Columns by which incremental runs look up many rows of a table: `looked_up_by` in its meta. Where no key of the table
    begins with one, a model that looks rows up makes the index, after its own rows: others wait for the table itself. -#}

{#- Has an index on a column of a table that was made anew as a whole, as this model was. -#}
{% macro index_for_updates(relation, column) -%}
    {%- if not is_incremental() -%}
        create index if not exists {{ relation.identifier }}_{{ column }} on {{ relation }} ({{ column }})
    {%- endif -%}
{%- endmacro %}

{#- Statistics of these columns: a table just made has none, one that was only changed keeps its own. The rest is left
    to autovacuum; an analyze of some columns does not keep it from coming. -#}
{% macro analyze_lookups() -%}
    {%- set meta = config.get("meta") or {} -%}
    {%- if meta.looked_up_by and not is_incremental() -%}
        analyze {{ this }} ({{ meta.looked_up_by | join(", ") }})
    {%- endif -%}
{%- endmacro %}
