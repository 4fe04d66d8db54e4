{{
    config(
        materialized="incremental",
        meta={"touched": {"column": "date_day", "kind": "day", "key": "day"}},
        post_hook=[
            "{{ index_for_updates(ref('fact_comments'), 'date_day') }}",
            "{{ index_for_updates(ref('fact_post_interactions'), 'date_day') }}",
        ],
        indexes=[{"columns": ["date_day"], "unique": true}]
    )
}}

with

-- read twice, which is cheaper than materializing it
posts as not materialized (

    select posts.* from {{ ref('fact_post_interactions') }} as posts
    {{ join_touched('posts.date_day', 'day', 'day') }}

),

comments as (

    select comments.* from {{ ref('fact_comments') }} as comments
    {{ join_touched('comments.date_day', 'day', 'day') }}

),

posts_by_day as (

    select
        posts.date_day,
        count(*) as posts,
        {{ sum_totals('posts', post_measures()) }}
    from posts
    where posts.date_day is not null
    group by posts.date_day

),

-- not together with the sums: count(distinct ...) beside them would sort all posts
author_days as (

    select distinct
        posts.date_day,
        posts.user_sk
    from posts
    where posts.date_day is not null

),

authors_by_day as (

    select
        author_days.date_day,
        count(*) as active_authors
    from author_days
    group by author_days.date_day

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
        coalesce(posts_by_day.date_day, comments_by_day.date_day) as date_day,
        coalesce(posts_by_day.posts, 0) as posts,
        coalesce(comments_by_day.comments, 0) as comments,
        {{ totals_or_zero('posts_by_day', post_measures()) }},
        coalesce(authors_by_day.active_authors, 0) as active_authors,
        coalesce(comments_by_day.active_commenters, 0) as active_commenters
    from posts_by_day
    full outer join comments_by_day on posts_by_day.date_day = comments_by_day.date_day
    left join authors_by_day on posts_by_day.date_day = authors_by_day.date_day

)

select * from final
