{{
    config(
        indexes=[
            {"columns": ["post_sk"], "unique": true},
            {"columns": ["post_id"], "unique": true},
            {"columns": ["user_sk"]},
            {"columns": ["engagement_rank"]},
        ]
    )
}}

with

posts as (

    select * from {{ ref('dim_posts') }}

),

interactions as (

    select * from {{ ref('fact_post_interactions') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

comments as (

    select * from {{ ref('fact_comments') }}

),

commenters as (

    select
        comments.post_sk,
        comments.comment_user_id
    from comments
    where comments.comment_user_id is not null
    group by comments.post_sk, comments.comment_user_id

),

commenters_by_post as (

    select
        commenters.post_sk,
        count(*) as total_users_interacted
    from commenters
    group by commenters.post_sk

),

-- ranked before the join: sorting numbers is cheaper than sorting texts
totals as (

    select
        interactions.post_sk,
        {{ as_totals('interactions') }}
    from interactions

),

engagement as (

    select
        totals.*,
        {{ total_engagement() }} as total_engagement
    from totals

),

ranked as (

    select
        engagement.*,
        rank() over (order by engagement.total_engagement desc) as engagement_rank
    from engagement

),

final as (

    select
        posts.post_sk,
        posts.post_id,
        posts.user_sk,
        users.username,
        posts.post_text,
        posts.post_timestamp,
        posts.tags,
        locations.location,
        {{ totals('ranked') }},
        coalesce(commenters_by_post.total_users_interacted, 0) as total_users_interacted,
        ranked.total_engagement,
        ranked.engagement_rank
    from posts
    inner join ranked on posts.post_sk = ranked.post_sk
    inner join locations on posts.location_sk = locations.location_sk
    left join users on posts.user_sk = users.user_sk
    left join commenters_by_post on posts.post_sk = commenters_by_post.post_sk

)

select * from final
