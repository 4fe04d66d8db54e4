{{
    config(
        meta={"touched": {"column": "user_sk", "kind": "user"}, "planned_by": ["user_id"]},
        indexes=[
            {"columns": ["user_sk"], "unique": true},
            {"columns": ["user_id"]},
        ]
    )
}}

with

users as (

    select users.* from {{ ref('stg_users') }} as users
    {{ join_touched('users.user_id', 'user', 'id', of_platform='users') }}

),

known as (

    select
        {{ surrogate_key('users.user_id', 'users.platform') }} as user_sk,
        users.user_id,
        users.username,
        users.email,
        users.name,
        users.age,
        users.age_imputed,
        users.gender,
        users.date_created,
        users.platform,
        users.location,
        users.followers
    from users

),

-- authors of whom there is no profile
missing as (

    select distinct
        posts.platform,
        posts.user_id
    from {{ ref('stg_posts') }} as posts
    {{ join_touched('posts.user_id', 'user', 'id', of_platform='posts') }}
    where
        posts.stands_alone
        and posts.user_id is not null
        and not exists (
            select 1 from {{ ref('stg_users') }} as users
            where posts.user_id = users.user_id and {{ is_same_platform('posts', 'users') }}
        )

),

final as (

    select
        known.*,
        false as is_inferred
    from known
    union all
    select
        {{ surrogate_key('missing.user_id', 'missing.platform') }} as user_sk,
        missing.user_id,
        null as username,
        null as email,
        null as name,
        null as age,
        false as age_imputed,
        null as gender,
        null as date_created,
        missing.platform,
        null as location,
        null as followers,
        true as is_inferred
    from missing

)

select * from final
