{{
    config(
        meta={"touched": {"column": "post_sk", "kind": "post"}, "looked_up_by": ["location_sk"]},
        indexes=[
            {"columns": ["post_sk"], "unique": true},
            {"columns": ["post_id"], "unique": true},
        ]
    )
}}

with

posts as (

    select posts.* from {{ ref('stg_posts') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id') }}

),

final as (

    select
        {{ surrogate_key('posts.post_id') }} as post_sk,
        posts.post_id,
        {{ surrogate_key('posts.user_id') }} as user_sk,
        {{ location_key('posts.location') }} as location_sk,
        posts.date_day,
        posts.post_text,
        posts.post_timestamp,
        nullif(array_to_string(posts.tags, ', '), '') as tags
    from posts

)

select * from final
