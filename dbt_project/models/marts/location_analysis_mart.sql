{{ config(meta={"read_by": ["location"]}, indexes=[{"columns": ["location"], "unique": true}]) }}

with

locations as (

    select * from {{ ref('dim_locations') }}

),

-- read twice, which is cheaper than materializing it
posts as not materialized (

    select * from {{ ref('fact_post_interactions') }}

),

posts_by_location as (

    select
        posts.location_sk,
        count(*) as total_posts,
        {{ sum_totals('posts') }}
    from posts
    group by posts.location_sk

),

-- not together with the sums: count(distinct ...) beside them would sort all posts
authors as (

    select distinct
        posts.location_sk,
        posts.user_sk
    from posts

),

authors_by_location as (

    select
        authors.location_sk,
        count(*) as total_users_in_location
    from authors
    group by authors.location_sk

),

totals as (

    select
        locations.location,
        coalesce(posts_by_location.total_posts, 0) as total_posts,
        {{ totals_or_zero('posts_by_location') }},
        coalesce(authors_by_location.total_users_in_location, 0) as total_users_in_location
    from locations
    left join posts_by_location on locations.location_sk = posts_by_location.location_sk
    left join authors_by_location on locations.location_sk = authors_by_location.location_sk

),

final as (

    select
        totals.*,
        {{ total_engagement() }} as total_engagement
    from totals

)

select * from final
