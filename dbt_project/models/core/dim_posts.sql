{{
    config(
        indexes=[
            {"columns": ["post_sk"], "unique": true},
            {"columns": ["post_id"], "unique": true},
        ]
    )
}}

with

posts as (

    select * from {{ ref('stg_posts') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

locations as (

    select * from {{ ref('dim_locations') }}

),

final as (

    select
        {{ surrogate_key('posts.post_id') }} as post_sk,
        posts.post_id,
        users.user_sk,
        locations.location_sk,
        posts.date_day,
        posts.post_text,
        posts.post_timestamp,
        nullif(array_to_string(posts.tags, ', '), '') as tags
    from posts
    left join users on posts.user_id = users.user_id
    left join locations
        on coalesce(posts.location, {{ unknown_location() }}) = locations.location

)

select * from final
