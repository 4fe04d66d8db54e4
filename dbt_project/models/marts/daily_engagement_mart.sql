{{
    config(
        materialized="incremental",
        meta={"touched": {"column": "date_day", "kind": "day", "key": "day", "unique": "date_day, platform"}},
        post_hook=[
            "{{ index_for_updates(ref('fact_comments'), 'date_day') }}",
            "{{ index_for_updates(ref('fact_post_interactions'), 'date_day') }}",
        ],
        indexes=[{"columns": ["date_day", "platform"], "unique": true}]
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
        posts.platform,
        count(*) as posts,
        {{ sum_totals('posts', measures() + other_measures()) }},
        {{ sum_bases('posts') }}
    from posts
    where posts.date_day is not null
    group by posts.date_day, posts.platform

),

-- not together with the sums: count(distinct ...) beside them would sort all posts
author_days as (

    select distinct
        posts.date_day,
        posts.platform,
        posts.user_sk
    from posts
    where posts.date_day is not null

),

authors_by_day as (

    select
        author_days.date_day,
        author_days.platform,
        count(author_days.user_sk) as active_authors
    from author_days
    group by author_days.date_day, author_days.platform

),

commenter_days as (

    select
        comments.date_day,
        comments.platform,
        comments.comment_user_id,
        count(*) as comments
    from comments
    where comments.date_day is not null
    group by comments.date_day, comments.platform, comments.comment_user_id

),

comments_by_day as (

    select
        commenter_days.date_day,
        commenter_days.platform,
        sum(commenter_days.comments)::bigint as comments,
        count(commenter_days.comment_user_id) as active_commenters
    from commenter_days
    group by commenter_days.date_day, commenter_days.platform

),

-- a full join needs equality, which two nulls do not have
posts_by_named_day as (

    select
        posts_by_day.*,
        {{ platform_name('posts_by_day.platform') }} as platform_name,
        authors_by_day.active_authors
    from posts_by_day
    inner join authors_by_day
        on
            posts_by_day.date_day = authors_by_day.date_day
            and {{ is_same_platform('posts_by_day', 'authors_by_day') }}

),

comments_by_named_day as (

    select
        comments_by_day.*,
        {{ platform_name('comments_by_day.platform') }} as platform_name
    from comments_by_day

),

totals as (

    select
        coalesce(posted.date_day, commented.date_day) as date_day,
        coalesce(posted.posts, 0) as posts,
        coalesce(commented.comments, 0) as comments,
        {{ totals_or_zero('posted') }},
        coalesce(posted.active_authors, 0) as active_authors,
        coalesce(commented.active_commenters, 0) as active_commenters,
        coalesce(posted.platform_name, commented.platform_name) as platform,
        {{ totals('posted', other_measures()) }},
        posted.covered_comments,
        posted.viewed_engagement
    from posts_by_named_day as posted
    full outer join comments_by_named_day as commented
        on posted.date_day = commented.date_day and posted.platform_name = commented.platform_name

),

engagement as (

    select
        totals.*,
        {{ total_engagement() }} as total_engagement
    from totals

),

final as (

    select
        engagement.date_day,
        engagement.posts,
        engagement.comments,
        {{ totals('engagement', native_measures() | reject('equalto', 'comments') | list) }},
        engagement.active_authors,
        engagement.active_commenters,
        engagement.platform,
        {{ totals('engagement', ['other_reactions', 'comments'] + other_measures()) }},
        engagement.total_engagement,
        {{ rates('engagement') }}
    from engagement

)

select * from final
