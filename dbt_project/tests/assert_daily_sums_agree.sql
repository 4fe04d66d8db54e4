-- daily_engagement_mart holds exactly the posts and comments whose time is known, each on its day.
-- Returns the days that differ from the raw rows.

with

current_posts as (

    {{ current_rows('posts', 'post_id') }}

),

current_comments as (

    {{ current_rows('comments', 'comment_key') }}

),

expected as (

    select
        counted.date_day,
        {%- for name in ['posts', 'comments'] + post_measures() %}
        sum(counted.{{ name }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from (
        select
            current_posts.post_timestamp::date as date_day,
            1 as posts,
            0 as comments,
            {%- for name in post_measures() %}
            current_posts.{{ name }}{{ "," if not loop.last }}
            {%- endfor %}
        from current_posts
        union all
        select
            current_comments.comment_timestamp::date as date_day,
            0 as posts,
            1 as comments,
            {%- for name in post_measures() %}
            0 as {{ name }}{{ "," if not loop.last }}
            {%- endfor %}
        from current_comments
    ) as counted
    where counted.date_day is not null
    group by counted.date_day

),

found as (

    select * from {{ ref('daily_engagement_mart') }}

),

final as (

    select
        coalesce(expected.date_day, found.date_day) as date_day,
        expected.posts as expected_posts,
        found.posts as found_posts,
        expected.comments as expected_comments,
        found.comments as found_comments
    from expected
    full outer join found on expected.date_day = found.date_day
    where
        expected.posts is distinct from found.posts
        or expected.comments is distinct from found.comments
        {%- for name in post_measures() %}
        or expected.{{ name }} is distinct from found.total_{{ name }}
        {%- endfor %}

)

select * from final
