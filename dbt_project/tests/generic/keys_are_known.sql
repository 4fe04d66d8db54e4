{#- Rows with a key that the dimension it refers to has not: `columns` maps a column to "dimension.key".
    One pass over the table for all of them; `COLUMN_is_unknown` tells which column is at fault. Where `touched` says what
    key of what kind the table has, those that were touched will do. -#}
-- noqa: disable=LT02
{% test keys_are_known(model, columns, touched) %}

with

checked as (

    select
        {%- for column, key in columns.items() %}
        facts.{{ column }},
        facts.{{ column }} is not null and of_{{ column }}.{{ key.split(".")[1] }} is null
            as {{ column }}_is_unknown{{ "," if not loop.last }}
        {%- endfor %}
    from {{ model }} as facts
    {{ join_touched("facts." ~ touched.column, touched.kind, touched.key or "sk", when=var("touched_only")) }}
    {%- for column, key in columns.items() %}
    left join {{ ref(key.split(".")[0]) }} as of_{{ column }}
        on facts.{{ column }} = of_{{ column }}.{{ key.split(".")[1] }}
    {%- endfor %}

)

select * from checked
where
    {%- for column in columns %}
    {{ "or " if not loop.first }}{{ column }}_is_unknown
    {%- endfor %}

{% endtest %}
