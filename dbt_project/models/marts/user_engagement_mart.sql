with

users as (

    select * from {{ ref('int_user_engagement') }}

),

ranks as (

    select * from {{ ref('int_user_ranks') }}

),

final as (

    select
        users.user_sk,
        users.user_id,
        users.username,
        users.total_posts,
        {{ totals('users', native_measures()) }},
        users.comments_made,
        users.total_engagement,
        ranks.engagement_rank,
        users.platform,
        {{ totals('users', ['other_reactions'] + other_measures()) }},
        {{ rates('users') }},
        users.followers,
        {{ ratio_or_null('users.total_engagement', 'users.followers') }} as engagement_rate_by_followers,
        users.is_inferred
    from users
    left join ranks on users.total_engagement = ranks.total_engagement

)

select * from final
