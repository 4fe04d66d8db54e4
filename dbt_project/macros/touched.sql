{#- Incremental runs of core and later layers: they rebuild the rows of touched keys. -#}

{#- The distinct touched keys of a kind: surrogate keys (`sk`), natural keys (`id`, or `id, platform`) or days (`day`). -#}
{% macro touched(kind, key) -%}
    (select distinct {{ key }} from {{ ref('touched_keys') }} where kind = '{{ kind }}')
{%- endmacro %}

{#- The batches that changed in a table of raw_data, as a list of literals: with literals the planner can estimate how
    many rows they have, with a subquery it cannot. The server quotes them: a name may hold any character. -#}
{% macro changed_batches(table) -%}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- set query = "select quote_literal(batch) from " ~ source("etl", "changed_batches") ~ " where in_work and table_name = '" ~ table ~ "'" -%}
        {%- for row in run_query(query) -%}
            {%- do names.append(row[0]) -%}
        {%- endfor -%}
    {%- endif -%}
    ({{ names | join(", ") or "null" }})
{%- endmacro %}

{#- The join that keeps only touched rows, in incremental runs (or when `when` is true). A join and not `in`, which the
    planner would not apply before the search for later versions. It is there during parsing, too, so that dbt finds
    the dependency on touched_keys. Ids of users and posts are keys together with the platform of their row, the alias
    `of_platform`. -#}
{% macro join_touched(column, kind, key="sk", when=none, of_platform=none) -%}
    {%- if not execute or (is_incremental() if when is none else when) -%}
    inner join {{ touched(kind, key ~ (", platform" if of_platform else "")) }} as touched
        on {{ column }} = touched.{{ key }}
        {%- if of_platform %} and {{ is_same_platform(of_platform, "touched") }}
        {%- endif %}
    {%- endif -%}
{%- endmacro %}

{#- Incremental strategy: deletes the rows of touched keys, including those that no longer exist, and inserts what the
    model selects for these keys now. The model's meta says which key it has: `touched: {column, kind, key}`. -#}
{% macro get_incremental_replace_touched_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    {%- set by = config.get("meta")["touched"] -%}
    delete from {{ arg_dict["target_relation"] }}
    where {{ by["column"] }} in {{ touched(by["kind"], by.get("key", "sk")) }};

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}

{#- Incremental strategy of a table that is computed as a whole although views read it: they stay, as the table does. -#}
{% macro get_incremental_replace_all_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }};

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}
