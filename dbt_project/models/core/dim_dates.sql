{{
    config(
        meta={"touched": {"column": "date_day", "kind": "day", "key": "day"}},
        indexes=[{"columns": ["date_day"], "unique": true}]
    )
}}

with

posts as (

    select * from {{ ref('fact_post_interactions') }}

),

comments as (

    select * from {{ ref('fact_comments') }}

),

days as (

    {% if not execute or is_incremental() -%}
    select touched.day as date_day
    from {{ touched('day', 'day') }} as touched
    where
        exists (
            select 1 from posts
            where touched.day = posts.date_day
        )
        or exists (
            select 1 from comments
            where touched.day = comments.date_day
        )
    {%- else -%}
    -- distinct before the union: the planner knows no statistics of a union and would sort it
    select distinct posts.date_day
    from posts
    where posts.date_day is not null
    union
    select distinct comments.date_day
    from comments
    where comments.date_day is not null
    {%- endif %}

),

final as (

    select
        days.date_day,
        extract(year from days.date_day)::integer as year,
        extract(quarter from days.date_day)::integer as quarter,
        extract(month from days.date_day)::integer as month,
        to_char(days.date_day, 'FMMonth') as month_name,
        extract(day from days.date_day)::integer as day_of_month,
        extract(doy from days.date_day)::integer as day_of_year,
        extract(isoyear from days.date_day)::integer as iso_year,
        extract(week from days.date_day)::integer as iso_week,
        extract(isodow from days.date_day)::integer as iso_day_of_week,
        to_char(days.date_day, 'FMDay') as day_name,
        extract(isodow from days.date_day) in (6, 7) as is_weekend
    from days

)

select * from final
