{#- Partial users: what the current version of a user lacks is taken from earlier batches, if the var partial_users is
    `fill_in`. Looked up by user_id, so that it costs nothing where nothing is missing, and little for touched users. -#}

{#- A column of the current version `alias`, or else its last known value in an earlier batch. -#}
{% macro last_known(column, alias) -%}
    {%- if var("partial_users") == "fill_in" -%}
    coalesce({{ alias }}.{{ column }}, (
        select earlier.{{ column }}
        from {{ source("raw_data", "users") }} as earlier
        where
            earlier.user_id = {{ alias }}.user_id
            and {{ is_same_platform("earlier", alias) }}
            and earlier.batch collate "C" < {{ alias }}.batch collate "C"
            and earlier.{{ column }} is not null
        order by earlier.batch collate "C" desc
        limit 1
    ))
    {%- else -%}
    {{ alias }}.{{ column }}
    {%- endif -%}
{%- endmacro %}

{#- `age` or `age_imputed` of the current version `alias`, or else of the earlier version with the last known age. An age
    that was imputed counts only where no version has another. -#}
{% macro last_known_age(column, alias) -%}
    {%- if var("partial_users") == "fill_in" -%}
    case
        when {{ alias }}.age is not null and not {{ alias }}.age_imputed then {{ alias }}.{{ column }}
        else coalesce((
            select known.{{ column }}
            from {{ source("raw_data", "users") }} as known
            where
                known.user_id = {{ alias }}.user_id
                and {{ is_same_platform("known", alias) }}
                and known.batch collate "C" <= {{ alias }}.batch collate "C"
                and known.age is not null
            order by known.age_imputed, known.batch collate "C" desc
            limit 1
        ), {{ alias }}.{{ column }})
    end
    {%- else -%}
    {{ alias }}.{{ column }}
    {%- endif -%}
{%- endmacro %}
