{#- Statistics for who looks rows up in this table by an index that is not unique: a table just made has
    none, one that was only changed keeps its own. The rest is left to autovacuum; an analyze of some
    columns does not keep it from coming. -#}
{% macro analyze_keys() -%}
    {%- if not is_incremental() -%}
        {%- set names = [] -%}
        {%- for index in config.get("indexes") if not index.unique or index.columns | length > 1 -%}
            {%- do names.append(index.columns[0]) -%}
        {%- endfor -%}
        {{ "analyze " ~ this ~ " (" ~ names | join(", ") ~ ")" if names }}
    {%- endif -%}
{%- endmacro %}
