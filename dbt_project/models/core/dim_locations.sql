{{
    config(
        indexes=[
            {"columns": ["location_sk"], "unique": true},
            {"columns": ["location"], "unique": true},
        ]
    )
}}

with

posts as (

    select * from {{ ref('stg_posts') }}

),

locations as (

    select posts.location
    from posts
    where posts.location is not null
    union
    select {{ unknown_location() }}

),

final as (

    select
        {{ surrogate_key('locations.location') }} as location_sk,
        locations.location
    from locations

)

select * from final
