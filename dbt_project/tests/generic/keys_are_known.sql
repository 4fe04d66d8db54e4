{#- Returns the rows with a key that is missing from its dimension. `columns` maps each column to
    "dimension.key"; one pass over the table checks them all, and `COLUMN_is_unknown` says which is at fault.
    `touched` (column, kind, key) tells how to find the touched rows, for tests that look only at these. -#}
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
