{{
    config(
        meta={
            "touched": {"column": "post_id", "kind": "post", "key": "id", "unique": "post_id, platform"},
            "read_by": ["user_sk"],
        },
        indexes=[{"columns": ["post_id", "platform"], "unique": true}]
    )
}}

with

posts as (

    select posts.* from {{ ref('dim_posts') }} as posts
    -- by the id alone, as rows are deleted: of all platforms that have a post with this id
    {{ join_touched('posts.post_id', 'post', 'id') }}

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

commenters as (

    select * from {{ ref('int_post_commenters') }}

),

totals as (

    select
        posts.post_sk,
        posts.post_id,
        posts.user_sk,
        users.username,
        posts.post_text,
        posts.post_timestamp,
        posts.tags,
        locations.location,
        {{ as_totals('interactions', native_measures()) }},
        coalesce(commenters.total_users_interacted, 0) as total_users_interacted,
        {{ platform_name('posts.platform') }} as platform,
        {{ as_totals('interactions', ['other_reactions'] + other_measures()) }},
        posts.channel,
        posts.url,
        posts.post_type,
        posts.lang,
        users.followers
    from posts
    inner join interactions on posts.post_sk = interactions.post_sk
    inner join locations on posts.location_sk = locations.location_sk
    left join users on posts.user_sk = users.user_sk
    left join commenters on posts.post_sk = commenters.post_sk

),

final as (

    select
        totals.*,
        {{ total_engagement(can_be_null=true) }} as total_engagement
    from totals

)

select * from final
