with

posts as (

    select * from {{ ref('int_post_engagement') }}

),

ranks as (

    select * from {{ ref('int_post_ranks') }}

),

final as (

    select
        posts.post_sk,
        posts.post_id,
        posts.user_sk,
        posts.username,
        posts.post_text,
        posts.post_timestamp,
        posts.tags,
        posts.location,
        {{ totals('posts', native_measures()) }},
        posts.total_users_interacted,
        posts.total_engagement,
        ranks.engagement_rank,
        posts.platform,
        {{ totals('posts', ['other_reactions'] + other_measures()) }},
        {{ ratio_or_null('posts.total_comments', 'posts.reported_comments') }} as comment_coverage,
        {{ ratio_or_null('posts.total_engagement', 'posts.total_views') }} as engagement_rate_by_views,
        posts.followers,
        {{ ratio_or_null('posts.total_engagement', 'posts.followers') }} as engagement_rate_by_followers,
        posts.channel,
        posts.url,
        posts.post_type,
        posts.lang
    from posts
    left join ranks on posts.total_engagement = ranks.total_engagement

)

select * from final
