with

users as (

    select * from {{ source('raw_data', 'users') }}

),

final as (

    select
        users.user_id,
        users.batch,
        users.username,
        users.email,
        users.name,
        users.age,
        users.age_imputed,
        users.gender,
        users.date_created
    from users
    where not {{ has_later_version(source('raw_data', 'users'), 'user_id', 'users') }}

)

select * from final
