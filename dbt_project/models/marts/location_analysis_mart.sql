{{ config(meta={"read_by": ["location"]}, indexes=[{"columns": ["location", "platform"], "unique": true}]) }}

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
        posts.platform,
        count(*) as total_posts,
        {{ sum_totals('posts', measures() + other_measures()) }},
        {{ sum_bases('posts') }}
    from posts
    group by posts.location_sk, posts.platform

),

-- not together with the sums: count(distinct ...) beside them would sort all posts
authors as (

    select distinct
        posts.location_sk,
        posts.platform,
        posts.user_sk
    from posts

),

authors_by_location as (

    select
        authors.location_sk,
        authors.platform,
        count(authors.user_sk) as total_users_in_location
    from authors
    group by authors.location_sk, authors.platform

),

totals as (

    select
        locations.location,
        coalesce(posts_by_location.total_posts, 0) as total_posts,
        {{ totals_or_zero('posts_by_location', native_measures()) }},
        coalesce(authors_by_location.total_users_in_location, 0) as total_users_in_location,
        {{ platform_name('posts_by_location.platform') }} as platform,
        {{ totals_or_zero('posts_by_location', ['other_reactions']) }},
        {{ totals('posts_by_location', other_measures()) }},
        posts_by_location.covered_comments,
        posts_by_location.viewed_engagement
    from locations
    left join posts_by_location on locations.location_sk = posts_by_location.location_sk
    left join authors_by_location
        on
            posts_by_location.location_sk = authors_by_location.location_sk
            and {{ is_same_platform('posts_by_location', 'authors_by_location') }}

),

engagement as (

    select
        totals.*,
        {{ total_engagement() }} as total_engagement
    from totals

),

final as (

    select
        engagement.location,
        engagement.total_posts,
        {{ totals('engagement', native_measures()) }},
        engagement.total_users_in_location,
        engagement.total_engagement,
        engagement.platform,
        {{ totals('engagement', ['other_reactions'] + other_measures()) }},
        {{ rates('engagement') }}
    from engagement

)

select * from final
