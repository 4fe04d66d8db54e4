{#- Replaces dbt's macro: writes what the yml says of a relation and its columns into the database as comments, in one
    statement, with the transaction that builds it from scratch. Incremental runs leave the comments as they are.

    The relation's comment ends with the mark that tells it from those of others: without it a run refuses to replace it. -#}
{% macro postgres__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if not is_incremental() -%}
        {%- set kind = "view" if config.get("materialized") == "view" else "table" -%}
        {%- set comments -%}
            comment on {{ kind }} {{ relation }}
            is {{ postgres_escape_comment((model.description ~ " Written by the stage DbtRun.") | trim) }};
            {% for column in model.columns.values() if column.description -%}
            comment on column {{ relation }}.{{ column.name }} is {{ postgres_escape_comment(column.description) }};
            {% endfor -%}
        {%- endset -%}
        {%- do run_query(comments) -%}
    {%- endif -%}
{%- endmacro %}
