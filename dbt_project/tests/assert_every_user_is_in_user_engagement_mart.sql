-- The mart has every user of every batch and no others. Checks all users, or only touched ones. Returns the
-- users who are on one side only.

with

raw_users as (

    select users.user_id from {{ source('raw_data', 'users') }} as users
    {{ join_touched('users.user_id', 'user', 'id', when=var('touched_only')) }}

),

mart as (

    select users.user_id from {{ ref('user_engagement_mart') }} as users
    {{ join_touched('users.user_sk', 'user', when=var('touched_only')) }}

),

final as (

    select
        raw_users.user_id as raw_user_id,
        mart.user_id as mart_user_id
    from raw_users
    full outer join mart on raw_users.user_id = mart.user_id
    where raw_users.user_id is null or mart.user_id is null

)

select * from final
