-- The mart has every post of every batch and no others. Checks all posts, or only touched ones. Returns the
-- posts that are on one side only.

with

raw_posts as (

    select
        posts.post_id,
        {{ platform_name('posts.platform') }} as platform_name
    from {{ source('raw_data', 'posts') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id', when=var('touched_only')) }}

),

mart as (

    select
        posts.post_id,
        posts.platform as platform_name
    from {{ ref('content_performance_mart') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id', when=var('touched_only')) }}

),

final as (

    select
        raw_posts.post_id as raw_post_id,
        mart.post_id as mart_post_id
    from raw_posts
    full outer join mart
        on raw_posts.post_id = mart.post_id and raw_posts.platform_name = mart.platform_name
    where raw_posts.post_id is null or mart.post_id is null

)

select * from final
