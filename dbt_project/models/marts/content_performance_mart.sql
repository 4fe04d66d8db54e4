with

posts as (

    select * from {{ ref('int_post_engagement') }}

),

ranks as (

    select * from {{ ref('int_post_ranks') }}

),

final as (

    select
        posts.*,
        ranks.engagement_rank
    from posts
    left join ranks on posts.total_engagement = ranks.total_engagement

)

select * from final
