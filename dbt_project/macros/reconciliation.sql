{#- SQL shared by the tests that compare sums between layers. -#}

{#- True if a raw table holds at most one batch (two lookups in its index of batches). A key is in a batch only once, so
    then no key repeats. -#}
{% macro has_one_batch(relation) -%}
    (select coalesce(min(batch collate "C") = max(batch collate "C"), true) from {{ relation }})
{%- endmacro %}

{#- The current version of every key in a raw table, or of touched keys only. Found in another way than in staging, so
    that a mistake there shows: by the keys that are in several batches, of which there are none in a single batch.
    Keys of users and posts are ids of a platform. -#}
{% macro current_rows(table, key, kind, touched_key="id") -%}
    {%- set relation = source("raw_data", table) -%}
    {%- set of_platform = "versions" if touched_key == "id" else none -%}
    {%- set keys = "versions." ~ key ~ (", versions.platform" if of_platform else "") -%}
    {%- if not execute or var("touched_only") %}
    select distinct on ({{ keys }}) versions.*
    from {{ relation }} as versions
    {{ join_touched("versions." ~ key, kind, touched_key, when=true, of_platform=of_platform) }}
    order by {{ keys }}, versions.batch collate "C" desc
    {%- else %}
    select *
    from {{ relation }}
    where {{ has_one_batch(relation) }}
    union all
    select versions.*
    from {{ relation }} as versions
    left join (
        select
            {{ keys }},
            max(versions.batch collate "C") as batch
        from {{ relation }} as versions
        group by {{ keys }}
        having count(*) > 1
    ) as repeated
        on versions.{{ key }} = repeated.{{ key }}
        {%- if of_platform %} and {{ is_same_platform("versions", "repeated") }}
        {%- endif %}
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
        versions.platform,
        {%- for column in ["username", "email", "name", "gender", "date_created", "location", "followers"] %}
        (array_agg(versions.{{ column }} order by versions.batch collate "C" desc)
            filter (where versions.{{ column }} is not null))[1] as {{ column }},
        {%- endfor %}
        (array_agg(versions.age order by versions.age_imputed, versions.batch collate "C" desc)
            filter (where versions.age is not null))[1] as age,
        coalesce(bool_and(versions.age_imputed) filter (where versions.age is not null), false) as age_imputed
    from {{ source("raw_data", "users") }} as versions
    {{ join_touched("versions.user_id", "user", "id", when=var("touched_only"), of_platform="versions") }}
    group by versions.user_id, versions.platform
{%- endmacro %}

{#- The sums of the measures in a mart by platform, a part of the layer of its name: posts and total_likes, ... `posts` is
    the expression that counts its posts. -#}
{% macro totals_of(mart, posts) -%}
    select
        '{{ mart }}' as layer,
        counted.platform as platform_name,
        {{ posts }} as posts,
        {{ sum_of_totals('counted', measures() + other_measures()) }}
    from {{ ref(mart) }} as counted
    group by counted.platform
{%- endmacro %}

{#- The same of the facts for which a condition holds, as a part of any layer. -#}
{% macro totals_of_facts(layer, condition="true") -%}
    select
        '{{ layer }}' as layer,
        {{ platform_name("facts.platform") }} as platform_name,
        count(*) as posts,
        {{ sum_totals('facts', measures() + other_measures()) }}
    from {{ ref('fact_post_interactions') }} as facts
    where {{ condition }}
    group by facts.platform
{%- endmacro %}

{#- The sums of columns under their own names. -#}
{% macro sums(names) -%}
    {%- for name in names %}
    coalesce(sum({{ name }}), 0) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The totals of `alias` under the names fact_likes, ... -#}
{% macro as_facts(alias) -%}
    {%- for name in measures() + other_measures() %}
    {{ alias }}.{{ total_name(name) }} as fact_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- How many of the measures of `alias` are null, over all rows: a null that became 0 shows in no sum. -#}
{% macro count_nulls(alias) -%}
    sum(num_nulls(
        {%- for name in post_measures() + other_measures() %}
        {{ alias }}.{{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{#- True if any total of `expected` differs from the same total of `found`. -#}
{% macro any_total_differs(expected, found, names) -%}
    {%- for name in names -%}
    {{ "or " if not loop.first }}{{ expected }}.{{ total_name(name) }} is distinct from {{ found }}.{{ total_name(name) }}
    {% endfor -%}
{%- endmacro %}

{#- The same of sums, where no row is as good as zero. -#}
{% macro any_sum_differs(expected, found, names) -%}
    {%- for name in names -%}
    {{ "or " if not loop.first }}coalesce({{ expected }}.{{ total_name(name) }}, 0) <> coalesce({{ found }}.{{ total_name(name) }}, 0)
    {% endfor -%}
{%- endmacro %}

{#- The measures of `alias` as rows for a lateral join: (name, value), ... -#}
{% macro measure_rows(alias, names) -%}
    {%- for name in names -%}
    ('{{ name }}', {{ alias }}.{{ name }}){{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
