{{ config(meta={"read_by": ["tag"]}, indexes=[{"columns": ["tag", "platform"], "unique": true}]) }}

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
        posts.platform,
        count(*) as total_posts_with_tag,
        count(posts.likes) as posts_with_likes,
        {{ sum_totals('posts', measures() + other_measures()) }},
        {{ sum_bases('posts') }}
    from post_tags
    inner join posts on post_tags.post_sk = posts.post_sk
    group by post_tags.tag_sk, posts.platform

),

totals as (

    select
        tags.tag,
        coalesce(posts_by_tag.total_posts_with_tag, 0) as total_posts_with_tag,
        {{ totals_or_zero('posts_by_tag', native_measures()) }},
        {{ platform_name('posts_by_tag.platform') }} as platform,
        {{ totals_or_zero('posts_by_tag', ['other_reactions']) }},
        {{ totals('posts_by_tag', other_measures()) }},
        posts_by_tag.covered_comments,
        posts_by_tag.viewed_engagement,
        posts_by_tag.posts_with_likes
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
        engagement.tag,
        engagement.total_posts_with_tag,
        {{ totals('engagement', native_measures()) }},
        engagement.total_engagement,
        {{ ratio_or_null('engagement.total_likes', 'engagement.posts_with_likes') }}
            as avg_likes_per_post,
        {{ ratio('engagement.total_engagement', 'engagement.total_posts_with_tag') }}
            as avg_engagement_per_post,
        engagement.platform,
        {{ totals('engagement', ['other_reactions'] + other_measures()) }},
        {{ rates('engagement') }}
    from engagement

)

select * from final
