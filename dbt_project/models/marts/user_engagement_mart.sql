with

users as (

    select * from {{ ref('int_user_engagement') }}

),

ranks as (

    select * from {{ ref('int_user_ranks') }}

),

final as (

    select
        users.*,
        ranks.engagement_rank
    from users
    left join ranks on users.total_engagement = ranks.total_engagement

)

select * from final
