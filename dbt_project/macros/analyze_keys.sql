{#- Statistics for the models that join this table next: a new table has none. Columns of text, long
    to sort, are left to autovacuum; an analyze of some columns does not keep it from coming. -#}
{% macro analyze_keys() -%}
    {%- set names = [] -%}
    {%- for column in model.columns.values() if column.data_type != "text" -%}
        {%- do names.append(adapter.quote(column.name)) -%}
    {%- endfor -%}
    analyze {{ this }} ({{ names | join(", ") }})
{%- endmacro %}
