-- Posts, shares, reactions and comments of every day are equal in the facts and in daily_engagement_mart.
-- Checks all days, or only touched ones. Returns the days that differ.

with

posts as (

    select
        posts.date_day,
        count(*) as posts,
        {{ sum_totals('posts', post_measures()) }}
    from {{ ref('fact_post_interactions') }} as posts
    {{ join_touched('posts.date_day', 'day', 'day', when=var('touched_only')) }}
    where posts.date_day is not null
    group by posts.date_day

),

comments as (

    select
        comments.date_day,
        count(*) as comments
    from {{ ref('fact_comments') }} as comments
    {{ join_touched('comments.date_day', 'day', 'day', when=var('touched_only')) }}
    where comments.date_day is not null
    group by comments.date_day

),

facts as (

    select
        coalesce(posts.date_day, comments.date_day) as date_day,
        coalesce(posts.posts, 0) as posts,
        coalesce(comments.comments, 0) as comments,
        {{ totals_or_zero('posts', post_measures()) }}
    from posts
    full outer join comments on posts.date_day = comments.date_day

),

days as (

    select days.* from {{ ref('daily_engagement_mart') }} as days
    {{ join_touched('days.date_day', 'day', 'day', when=var('touched_only')) }}

),

final as (

    select
        coalesce(facts.date_day, days.date_day) as date_day,
        facts.posts as fact_posts,
        days.posts as mart_posts,
        facts.comments as fact_comments,
        days.comments as mart_comments
    from facts
    full outer join days on facts.date_day = days.date_day
    where
        facts.posts is distinct from days.posts
        or facts.comments is distinct from days.comments
        or {{ any_total_differs('facts', 'days', post_measures()) }}

)

select * from final
