-- daily_engagement_mart holds exactly the posts and comments whose time is known, each on its day.
-- Returns the days that differ from the raw rows.

with

current_posts as (

    {{ current_rows('posts', 'post_id') }}

),

current_comments as (

    {{ current_rows('comments', 'comment_key') }}

),

posts_by_day as (

    select
        current_posts.post_timestamp::date as date_day,
        count(*) as posts,
        {{ sum_totals('current_posts', post_measures()) }}
    from current_posts
    where current_posts.post_timestamp is not null
    group by current_posts.post_timestamp::date

),

comments_by_day as (

    select
        current_comments.comment_timestamp::date as date_day,
        count(*) as comments
    from current_comments
    where current_comments.comment_timestamp is not null
    group by current_comments.comment_timestamp::date

),

expected as (

    select
        coalesce(posts_by_day.date_day, comments_by_day.date_day) as date_day,
        coalesce(posts_by_day.posts, 0) as posts,
        coalesce(comments_by_day.comments, 0) as comments,
        {{ totals_or_zero('posts_by_day', post_measures()) }}
    from posts_by_day
    full outer join comments_by_day on posts_by_day.date_day = comments_by_day.date_day

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
        or {{ any_total_differs('expected', 'found', post_measures()) }}

)

select * from final
