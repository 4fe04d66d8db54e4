{{
    config(
        pre_hook="create index if not exists dim_posts_inferred on {{ ref('dim_posts') }} (post_sk) where is_inferred",
        indexes=[{"columns": ["platform"], "unique": true}]
    )
}}

-- Adds up users, so that a run need not read all posts: what is missing there are posts without an author,
-- which are found by the index of authors, and comments on posts that are in no batch.

with

users as (

    select * from {{ ref('int_user_engagement') }}

),

posts as (

    select * from {{ ref('fact_post_interactions') }}

),

missing_posts as (

    select * from {{ ref('dim_posts') }}
    where is_inferred

),

comments as (

    select * from {{ ref('fact_comments') }}

),

by_users as (

    select
        users.platform,
        count(*) as total_users,
        count(*) filter (where users.total_posts > 0) as active_authors,
        sum(users.total_posts)::bigint as total_posts,
        {{ sum_of_totals('users', measures() + other_measures()) }},
        sum(users.covered_comments)::bigint as covered_comments,
        sum(users.viewed_engagement)::bigint as viewed_engagement,
        0 as comments_on_missing_posts
    from users
    group by users.platform

),

of_nobody as (

    select
        {{ platform_name('posts.platform') }} as platform,
        0 as total_users,
        0 as active_authors,
        count(*) as total_posts,
        {{ sum_totals('posts', measures() + other_measures()) }},
        {{ sum_bases('posts') }},
        0 as comments_on_missing_posts
    from posts
    where posts.user_sk is null
    group by posts.platform

),

on_missing_posts as (

    select
        {{ platform_name('missing_posts.platform') }} as platform,
        0 as total_users,
        0 as active_authors,
        0 as total_posts,
        {%- for name in measures() + other_measures() %}
        null::bigint as {{ total_name(name) }},
        {%- endfor %}
        null::bigint as covered_comments,
        null::bigint as viewed_engagement,
        count(*) as comments_on_missing_posts
    from missing_posts
    inner join comments on missing_posts.post_sk = comments.post_sk
    group by missing_posts.platform

),

parts as (

    select * from by_users
    union all
    select * from of_nobody
    union all
    select * from on_missing_posts

),

totals as (

    select
        parts.platform,
        sum(parts.total_users)::bigint as total_users,
        sum(parts.active_authors)::bigint as active_authors,
        sum(parts.total_posts)::bigint as total_posts,
        {%- for name in measures() %}
        coalesce(sum(parts.{{ total_name(name) }}), 0)::bigint as {{ total_name(name) }},
        {%- endfor %}
        {{ sum_of_totals('parts', other_measures()) }},
        sum(parts.covered_comments)::bigint as covered_comments,
        sum(parts.viewed_engagement)::bigint as viewed_engagement,
        sum(parts.comments_on_missing_posts)::bigint as comments_on_missing_posts
    from parts
    group by parts.platform

),

final as (

    select
        totals.platform,
        totals.total_users,
        totals.active_authors,
        totals.total_posts,
        totals.total_comments + totals.comments_on_missing_posts as comments,
        {{ totals('totals', post_measures()) }},
        totals.total_comments,
        {{ total_engagement() }} as total_engagement,
        {{ totals('totals', other_measures()) }},
        {{ rates('totals') }}
    from totals

)

select * from final
