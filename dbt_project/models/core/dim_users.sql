{{
    config(
        indexes=[
            {"columns": ["user_sk"], "unique": true},
            {"columns": ["user_id"], "unique": true},
        ]
    )
}}

with

users as (

    select * from {{ ref('stg_users') }}

),

final as (

    select
        {{ surrogate_key('users.user_id') }} as user_sk,
        users.user_id,
        users.username,
        users.email,
        users.name,
        users.age,
        users.age_imputed,
        users.gender,
        users.date_created
    from users

)

select * from final
