{{
    config(
        meta={"touched": {"column": "post_sk", "kind": "post"}, "looked_up_by": ["user_sk", "date_day"]},
        indexes=[{"columns": ["post_sk"], "unique": true}]
    )
}}

with

posts as (

    select posts.* from {{ ref('stg_posts') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id', of_platform='posts') }}

),

keys as (

    select * from {{ ref('dim_posts') }}

),

comments as (

    select comments.* from {{ ref('fact_comments') }} as comments
    {{ join_touched('comments.post_sk', 'post') }}

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
        coalesce(comments_by_post.comments, 0) as comments,
        posts.platform,
        posts.other_reactions,
        posts.score,
        posts.reported_comments,
        posts.views,
        posts.quotes,
        posts.saves
    from posts
    inner join keys on posts.post_id = keys.post_id and {{ is_same_platform('posts', 'keys') }}
    left join comments_by_post on keys.post_sk = comments_by_post.post_sk

)

select * from final
