{{
    config(
        indexes=[
            {"columns": ["post_sk"], "unique": true},
            {"columns": ["user_sk"]},
            {"columns": ["location_sk"]},
            {"columns": ["date_day"]},
        ]
    )
}}

with

posts as (

    select * from {{ ref('stg_posts') }}

),

keys as (

    select * from {{ ref('dim_posts') }}

),

comments as (

    select * from {{ ref('fact_comments') }}

),

comments_by_post as (

    select
        comments.post_sk,
        count(*) as comments
    from comments
    group by comments.post_sk

),

final as (

    select
        keys.post_sk,
        keys.user_sk,
        keys.location_sk,
        keys.date_day,
        posts.shares,
        posts.likes,
        posts.love,
        posts.wow,
        posts.haha,
        posts.sad,
        posts.angry,
        coalesce(comments_by_post.comments, 0) as comments
    from posts
    inner join keys on posts.post_id = keys.post_id
    left join comments_by_post on keys.post_sk = comments_by_post.post_sk

)

select * from final
