{{
    config(
        meta={"touched": {"column": "location_sk", "kind": "location"}},
        post_hook="{{ index_for_updates(ref('dim_posts'), 'location_sk') }}",
        indexes=[
            {"columns": ["location_sk"], "unique": true},
            {"columns": ["location"], "unique": true},
        ]
    )
}}

with

posts as (

    select posts.* from {{ ref('stg_posts') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id', of_platform='posts') }}

),

keys_of_posts as (

    select * from {{ ref('dim_posts') }}

),

locations as (

    select distinct posts.location
    from posts
    where posts.location is not null
    union
    {%- if is_incremental() %}
    select known.location from {{ this }} as known
    {{ join_touched('known.location_sk', 'location') }}
    {%- else %}
    select {{ unknown_location() }}
    {%- endif %}

),

keys as (

    select
        {{ surrogate_key('locations.location') }} as location_sk,
        locations.location
    from locations

),

final as (

    select
        keys.location_sk,
        keys.location
    from keys
    where
        keys.location = {{ unknown_location() }}
        or exists (
            select 1 from keys_of_posts
            where keys.location_sk = keys_of_posts.location_sk
        )

)

select * from final
