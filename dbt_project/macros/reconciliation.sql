{#- What the tests of the sums share. -#}

{#- The current version of every key in a raw table, found in another way than staging finds it. -#}
{% macro current_rows(table, key) -%}
    select distinct on ({{ key }}) *
    from {{ source("raw_data", table) }}
    order by {{ key }} asc, batch collate "C" desc
{%- endmacro %}

{#- One row per measure of a layer: layer, measure, total. `columns` maps a measure to its expression. -#}
{% macro totals_of(layer, relation, columns, where="true") -%}
    select
        '{{ layer }}' as layer,
        summed.measure,
        coalesce(sum(summed.total), 0) as total
    from {{ relation }} as counted
    cross join lateral (
        values
        {%- for measure, expression in columns.items() %}
        ('{{ measure }}', {{ expression }}){{ "," if not loop.last }}
        {%- endfor %}
    ) as summed (measure, total)
    where {{ where }}
    group by summed.measure
{%- endmacro %}

{#- The measures of a post under the names `prefix` gives them, and the count of posts. -#}
{% macro measure_columns(posts, prefix="", names=none) -%}
    {%- set columns = {"posts": posts} -%}
    {%- for name in names or measures() -%}
        {%- do columns.update({name: prefix ~ name}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#- True where a total of `expected` differs from the same of `found`. -#}
{% macro any_total_differs(expected, found, names) -%}
    {%- for name in names -%}
    {{ "or " if not loop.first }}{{ expected }}.total_{{ name }} is distinct from {{ found }}.total_{{ name }}
    {% endfor -%}
{%- endmacro %}

{#- The measures of `alias` one below the other, as rows for a lateral join: (name, value), ... -#}
{% macro measure_rows(alias, names) -%}
    {%- for name in names -%}
    ('{{ name }}', {{ alias }}.{{ name }}){{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The names as rows: (name), ... -#}
{% macro name_rows(names) -%}
    {%- for name in names -%}
    ('{{ name }}'){{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
