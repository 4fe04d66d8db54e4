{#- SQL shared by the tests that compare sums between layers. -#}

{#- True if a raw table holds at most one batch (two lookups in its index of batches). A key is in a batch only once, so
    then no key repeats. -#}
{% macro has_one_batch(relation) -%}
    (select coalesce(min(batch collate "C") = max(batch collate "C"), true) from {{ relation }})
{%- endmacro %}

{#- The current version of every key in a raw table, or of touched keys only. Found in another way than in staging, so
    that a mistake there shows: by the keys that are in several batches, of which there are none in a single batch. -#}
{% macro current_rows(table, key, kind, touched_key="id") -%}
    {%- set relation = source("raw_data", table) -%}
    {%- if not execute or var("touched_only") %}
    select distinct on (versions.{{ key }}) versions.*
    from {{ relation }} as versions
    {{ join_touched("versions." ~ key, kind, touched_key, when=true) }}
    order by versions.{{ key }}, versions.batch collate "C" desc
    {%- else %}
    select *
    from {{ relation }}
    where {{ has_one_batch(relation) }}
    union all
    select versions.*
    from {{ relation }} as versions
    left join (
        select
            {{ key }},
            max(batch collate "C") as batch
        from {{ relation }}
        group by {{ key }}
        having count(*) > 1
    ) as repeated on versions.{{ key }} = repeated.{{ key }}
    where
        not {{ has_one_batch(relation) }}
        and (repeated.{{ key }} is null or versions.batch = repeated.batch)
    {%- endif %}
{%- endmacro %}

{#- Every user of raw_data, or touched users only, with the last known value of each field. Found in another way than in
    staging, by grouping all versions. -#}
{% macro last_known_users() -%}
    select
        versions.user_id,
        {%- for column in ["username", "email", "name", "gender", "date_created"] %}
        (array_agg(versions.{{ column }} order by versions.batch collate "C" desc)
            filter (where versions.{{ column }} is not null))[1] as {{ column }},
        {%- endfor %}
        (array_agg(versions.age order by versions.age_imputed, versions.batch collate "C" desc)
            filter (where versions.age is not null))[1] as age,
        coalesce(bool_and(versions.age_imputed) filter (where versions.age is not null), false) as age_imputed
    from {{ source("raw_data", "users") }} as versions
    {{ join_touched("versions.user_id", "user", "id", when=var("touched_only")) }}
    group by versions.user_id
{%- endmacro %}

{#- The sums of the measures of a layer: posts and total_likes, ... `prefix` stands before the measures' names in that
    layer; `posts` is the expression that counts its posts. -#}
{% macro totals_of(layer, relation, posts="count(*)", prefix="total_") -%}
    select
        '{{ layer }}' as layer,
        coalesce({{ posts }}, 0) as posts,
        {%- for name in measures() %}
        coalesce(sum({{ prefix }}{{ name }}), 0) as total_{{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}
{%- endmacro %}

{#- The sums of columns under their own names. -#}
{% macro sums(names) -%}
    {%- for name in names %}
    coalesce(sum({{ name }}), 0) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The measures of `alias` under the names fact_likes, ... -#}
{% macro as_facts(alias) -%}
    {%- for name in measures() %}
    {{ alias }}.total_{{ name }} as fact_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- True if any total of `expected` differs from the same total of `found`. -#}
{% macro any_total_differs(expected, found, names) -%}
    {%- for name in names -%}
    {{ "or " if not loop.first }}{{ expected }}.total_{{ name }} is distinct from {{ found }}.total_{{ name }}
    {% endfor -%}
{%- endmacro %}

{#- The measures of `alias` as rows for a lateral join: (name, value), ... -#}
{% macro measure_rows(alias, names) -%}
    {%- for name in names -%}
    ('{{ name }}', {{ alias }}.{{ name }}){{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
