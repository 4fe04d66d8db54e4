{{
    config(
        meta={"touched": {"column": "post_sk", "kind": "post"}, "looked_up_by": ["post_sk", "tag_sk"]},
        indexes=[
            {"columns": ["post_sk", "tag_position"], "unique": true},
            {"columns": ["tag_sk", "post_sk"], "unique": true},
        ]
    )
}}

-- Waits for dim_posts, so that fact_comments, which other models wait for, has a processor to itself.
-- depends_on: {{ ref('dim_posts') }}

with

posts as (

    select posts.* from {{ ref('stg_posts') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id', of_platform='posts') }}

),

keys as (

    select
        {{ surrogate_key('posts.post_id', 'posts.platform') }} as post_sk,
        posts.tags
    from posts

),

final as (

    select
        keys.post_sk,
        {{ surrogate_key('unnested.tag') }} as tag_sk,
        unnested.tag_position::integer as tag_position
    from keys
    cross join lateral unnest(keys.tags) with ordinality as unnested (tag, tag_position)

)

select * from final
