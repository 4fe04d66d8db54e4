{#- How core and what follows take in only what changed: rows of touched keys are made anew. -#}

{#- The touched keys of a kind, each once: surrogate keys, natural keys (`id`) or days (`day`). -#}
{% macro touched(kind, key) -%}
    (select distinct {{ key }} from {{ ref('touched_keys') }} where kind = '{{ kind }}')
{%- endmacro %}

{#- The batches that changed in a table of raw_data, as a list of literals: how many rows a batch has, the planner
    knows only of a name that it sees. -#}
{% macro changed_batches(table) -%}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- set query = "select batch from " ~ source("etl", "changed_batches") ~ " where in_work and table_name = '" ~ table ~ "'" -%}
        {%- for row in run_query(query) -%}
            {%- do names.append(dbt.string_literal(dbt.escape_single_quotes(row[0]))) -%}
        {%- endfor -%}
    {%- endif -%}
    ({{ names | join(", ") or "null" }})
{%- endmacro %}

{#- In an incremental run, or `when` said otherwise, the join that leaves only touched rows. A join and no `in`,
    which the planner would not move before the search for later versions. Read while parsing, too, when dbt finds
    out what depends on what. -#}
{% macro join_touched(column, kind, key="sk", when=none) -%}
    {%- if not execute or (is_incremental() if when is none else when) -%}
    inner join {{ touched(kind, key) }} as touched on {{ column }} = touched.{{ key }}
    {%- endif -%}
{%- endmacro %}

{#- Incremental strategy: the rows of touched keys go, also of those that are no more, and what the
    model makes of them now comes. Which key that is, is in the model's meta: `touched: {column, kind, key}`. -#}
{% macro get_incremental_replace_touched_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    {%- set by = config.get("meta")["touched"] -%}
    delete from {{ arg_dict["target_relation"] }}
    where {{ by["column"] }} in {{ touched(by["kind"], by.get("key", "sk")) }};

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}
