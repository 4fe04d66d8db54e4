{{ config(indexes=[{"columns": ["date_day"], "unique": true}]) }}

with

days as (

    select * from {{ ref('dim_dates') }}

),

posts as (

    select * from {{ ref('fact_post_interactions') }}

),

comments as (

    select * from {{ ref('fact_comments') }}

),

posts_by_day as (

    select
        posts.date_day,
        count(*) as posts,
        {{ sum_totals('posts', post_measures()) }},
        count(distinct posts.user_sk) as active_authors
    from posts
    where posts.date_day is not null
    group by posts.date_day

),

commenter_days as (

    select
        comments.date_day,
        comments.comment_user_id,
        count(*) as comments
    from comments
    where comments.date_day is not null
    group by comments.date_day, comments.comment_user_id

),

comments_by_day as (

    select
        commenter_days.date_day,
        sum(commenter_days.comments)::bigint as comments,
        count(commenter_days.comment_user_id) as active_commenters
    from commenter_days
    group by commenter_days.date_day

),

final as (

    select
        days.date_day,
        coalesce(posts_by_day.posts, 0) as posts,
        coalesce(comments_by_day.comments, 0) as comments,
        {{ totals_or_zero('posts_by_day', post_measures()) }},
        coalesce(posts_by_day.active_authors, 0) as active_authors,
        coalesce(comments_by_day.active_commenters, 0) as active_commenters
    from days
    left join posts_by_day on days.date_day = posts_by_day.date_day
    left join comments_by_day on days.date_day = comments_by_day.date_day

)

select * from final
