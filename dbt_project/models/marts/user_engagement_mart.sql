{{
    config(
        indexes=[
            {"columns": ["user_sk"], "unique": true},
            {"columns": ["user_id"], "unique": true},
            {"columns": ["engagement_rank"]},
        ]
    )
}}

with

users as (

    select * from {{ ref('dim_users') }}

),

posts as (

    select * from {{ ref('fact_post_interactions') }}

),

comments as (

    select * from {{ ref('fact_comments') }}

),

posts_by_user as (

    select
        posts.user_sk,
        count(*) as total_posts,
        {{ sum_totals('posts') }}
    from posts
    group by posts.user_sk

),

comments_by_commenter as (

    select
        comments.comment_user_sk,
        count(*) as comments_made
    from comments
    where comments.comment_user_sk is not null
    group by comments.comment_user_sk

),

totals as (

    select
        users.user_sk,
        users.user_id,
        users.username,
        coalesce(posts_by_user.total_posts, 0) as total_posts,
        {{ totals_or_zero('posts_by_user') }},
        coalesce(comments_by_commenter.comments_made, 0) as comments_made
    from users
    left join posts_by_user on users.user_sk = posts_by_user.user_sk
    left join comments_by_commenter on users.user_sk = comments_by_commenter.comment_user_sk

),

engagement as (

    select
        totals.*,
        {{ total_engagement() }} as total_engagement
    from totals

),

final as (

    select
        engagement.*,
        rank() over (order by engagement.total_engagement desc) as engagement_rank
    from engagement

)

select * from final
