{{
    config(
        indexes=[
            {"columns": ["post_sk", "tag_sk"], "unique": true},
            {"columns": ["tag_sk"]},
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

tags as (

    select * from {{ ref('dim_tags') }}

),

final as (

    select
        keys.post_sk,
        tags.tag_sk,
        unnested.tag_position::integer as tag_position
    from posts
    inner join keys on posts.post_id = keys.post_id
    cross join lateral unnest(posts.tags) with ordinality as unnested (tag, tag_position)
    inner join tags on unnested.tag = tags.tag

)

select * from final
