{{
    config(
        meta={"touched": {"column": "user_sk", "kind": "user"}},
        indexes=[
            {"columns": ["user_sk"], "unique": true},
            {"columns": ["user_id"], "unique": true},
        ]
    )
}}

with

users as (

    select users.* from {{ ref('stg_users') }} as users
    {{ join_touched('users.user_id', 'user', 'id') }}

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
