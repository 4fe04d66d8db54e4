-- The mart has every user of every batch and no others but authors without a profile, which another test
-- checks. Checks all users, or only touched ones. Returns the users who are on one side only.

with

raw_users as (

    select
        users.user_id,
        {{ platform_name('users.platform') }} as platform_name
    from {{ source('raw_data', 'users') }} as users
    {{ join_touched('users.user_id', 'user', 'id', when=var('touched_only'), of_platform='users') }}

),

mart as (

    select
        users.user_id,
        users.platform as platform_name
    from {{ ref('user_engagement_mart') }} as users
    {{ join_touched('users.user_sk', 'user', when=var('touched_only')) }}
    where not users.is_inferred

),

final as (

    select
        raw_users.user_id as raw_user_id,
        mart.user_id as mart_user_id
    from raw_users
    full outer join mart
        on raw_users.user_id = mart.user_id and raw_users.platform_name = mart.platform_name
    where raw_users.user_id is null or mart.user_id is null

)

select * from final
