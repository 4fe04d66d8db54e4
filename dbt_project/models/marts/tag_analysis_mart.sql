{{ config(meta={"read_by": ["tag"]}, indexes=[{"columns": ["tag"], "unique": true}]) }}

with

tags as (

    select * from {{ ref('dim_tags') }}

),

post_tags as (

    select * from {{ ref('bridge_post_tags') }}

),

posts as (

    select * from {{ ref('fact_post_interactions') }}

),

posts_by_tag as (

    select
        post_tags.tag_sk,
        count(*) as total_posts_with_tag,
        {{ sum_totals('posts') }}
    from post_tags
    inner join posts on post_tags.post_sk = posts.post_sk
    group by post_tags.tag_sk

),

totals as (

    select
        tags.tag,
        coalesce(posts_by_tag.total_posts_with_tag, 0) as total_posts_with_tag,
        {{ totals_or_zero('posts_by_tag') }}
    from tags
    left join posts_by_tag on tags.tag_sk = posts_by_tag.tag_sk

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
        {{ ratio('engagement.total_likes', 'engagement.total_posts_with_tag') }}
            as avg_likes_per_post,
        {{ ratio('engagement.total_engagement', 'engagement.total_posts_with_tag') }}
            as avg_engagement_per_post
    from engagement

)

select * from final
