{#- `looked_up_by` in a table's meta lists the columns by which incremental runs look up many rows. If no index of the
    table begins with such a column, a model that needs it creates it after its own rows, so that the models waiting for
    the table itself are not held up. `planned_by` lists columns without an index on which a query's plan depends. -#}

{#- Creates an index on a column of a table, if this model is built from scratch: then the table was, too. -#}
{% macro index_for_updates(relation, column) -%}
    {%- if not is_incremental() -%}
        create index if not exists {{ relation.identifier }}_{{ column }} on {{ relation }} ({{ column }})
    {%- endif -%}
{%- endmacro %}

{#- Collects statistics of these columns for a table built from scratch, which has none yet. The other columns are left
    to autovacuum, which an analyze of some columns does not delay. -#}
{% macro analyze_lookups() -%}
    {%- set meta = config.get("meta") or {} -%}
    {%- set columns = meta.get("looked_up_by", []) + meta.get("planned_by", []) -%}
    {%- if columns and not is_incremental() -%}
        analyze {{ this }} ({{ columns | join(", ") }})
    {%- endif -%}
{%- endmacro %}
