-- Posts, their measures and the comments of every day and platform are equal in the facts and in
-- daily_engagement_mart. Checks all days, or only touched ones. Returns the days that differ.

with

posts as (

    select
        posts.date_day,
        {{ platform_name('posts.platform') }} as platform_name,
        count(*) as posts,
        {{ sum_totals('posts', measures() + other_measures()) }}
    from {{ ref('fact_post_interactions') }} as posts
    {{ join_touched('posts.date_day', 'day', 'day', when=var('touched_only')) }}
    where posts.date_day is not null
    group by posts.date_day, posts.platform

),

comments as (

    select
        comments.date_day,
        {{ platform_name('comments.platform') }} as platform_name,
        count(*) as comments
    from {{ ref('fact_comments') }} as comments
    {{ join_touched('comments.date_day', 'day', 'day', when=var('touched_only')) }}
    where comments.date_day is not null
    group by comments.date_day, comments.platform

),

facts as (

    select
        coalesce(posts.date_day, comments.date_day) as date_day,
        coalesce(posts.platform_name, comments.platform_name) as platform,
        coalesce(posts.posts, 0) as posts,
        coalesce(comments.comments, 0) as comments,
        {{ totals_or_zero('posts') }},
        {{ totals('posts', other_measures()) }}
    from posts
    full outer join comments
        on posts.date_day = comments.date_day and posts.platform_name = comments.platform_name

),

days as (

    select days.* from {{ ref('daily_engagement_mart') }} as days
    {{ join_touched('days.date_day', 'day', 'day', when=var('touched_only')) }}

),

final as (

    select
        coalesce(facts.date_day, days.date_day) as date_day,
        coalesce(facts.platform, days.platform) as platform,
        facts.posts as fact_posts,
        days.posts as mart_posts,
        facts.comments as fact_comments,
        days.comments as mart_comments
    from facts
    full outer join days on facts.date_day = days.date_day and facts.platform = days.platform
    where
        facts.posts is distinct from days.posts
        or facts.comments is distinct from days.comments
        or {{ any_total_differs('facts', 'days', measures() + other_measures()) }}

)

select * from final
