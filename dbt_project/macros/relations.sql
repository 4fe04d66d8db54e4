{#- Replacements for macros of dbt's. -#}

{#- The tables, views and functions of a schema, by exact names. dbt's own macro compares them without regard to case,
    and then takes another's "Core" or "Dim_Users" for ours. Ours are lower case. -#}
{% macro postgres__list_relations_without_caching(schema_relation) -%}
    {%- call statement("list_relations_without_caching", fetch_result=True) -%}
        select
            '{{ schema_relation.database }}' as database,
            relname as name,
            '{{ schema_relation.schema }}' as schema,
            case relkind when 'v' then 'view' when 'm' then 'materialized_view' else 'table' end as type
        from pg_class
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where
            nspname = '{{ schema_relation.schema }}'
            and relkind in ('r', 'p', 'v', 'm')
            and relname = lower(relname)
    {%- endcall -%}
    {{ return(load_result("list_relations_without_caching").table) }}
{%- endmacro %}

{#- The schemas with names in lower case, as ours are: dbt looks for its own without regard to case. -#}
{% macro postgres__list_schemas(database) -%}
    {%- call statement("list_schemas", fetch_result=True, auto_begin=False) -%}
        select nspname from pg_namespace where nspname = lower(nspname)
    {%- endcall -%}
    {{ return(load_result("list_schemas").table) }}
{%- endmacro %}

{#- The table that an incremental run selects new rows into: an ordinary one beside the model, created and dropped in the
    same transaction. A temporary one would need the privilege TEMPORARY, which many databases give to nobody. -#}
{% macro postgres__make_temp_relation(base_relation, suffix) -%}
    {{ return(postgres__make_relation_with_suffix(base_relation, "__new", dstring=False)) }}
{%- endmacro %}

{% macro postgres__get_create_table_as_sql(temporary, relation, sql) -%}
    {%- if temporary -%}
        {%- if config.get("contract").enforced -%} {{ get_assert_columns_equivalent(sql) }} {%- endif %}
        create table {{ relation }} as ({{ sql }})
    {%- else -%}
        {{ default__get_create_table_as_sql(temporary, relation, sql) }}
    {%- endif -%}
{%- endmacro %}

{#- What every model ends with. An incremental run drops the table of its new rows. A table built from scratch says by
    which columns a replica finds a row: once a publication has all tables, nothing can be deleted from one without. -#}
{% macro finish_model() -%}
    {%- if is_incremental() -%}
        drop table {{ make_temp_relation(this) }}
    {%- elif config.get("materialized") != "view" -%}
        alter table {{ this }} replica identity full
    {%- endif -%}
{%- endmacro %}
