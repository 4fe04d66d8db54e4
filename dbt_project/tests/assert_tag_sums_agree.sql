-- Every tag of every current post is in bridge_post_tags, and tag_analysis_mart counts each post
-- once for each of its tags. Returns the tags that differ from the raw rows.

with

current_posts as (

    {{ current_rows('posts', 'post_id') }}

),

raw_comments as (

    select
        post_id,
        count(distinct comment_key) as comments
    from {{ source('raw_data', 'comments') }}
    group by post_id

),

expected as (

    select
        unnested.tag,
        count(*) as posts,
        {{ sum_totals('current_posts', post_measures()) }},
        coalesce(sum(raw_comments.comments), 0) as total_comments
    from current_posts
    cross join lateral unnest(current_posts.tags) as unnested (tag)
    left join raw_comments on current_posts.post_id = raw_comments.post_id
    group by unnested.tag

),

bridged as (

    select
        tags.tag,
        count(*) as posts
    from {{ ref('bridge_post_tags') }} as post_tags
    inner join {{ ref('dim_tags') }} as tags on post_tags.tag_sk = tags.tag_sk
    group by tags.tag

),

found as (

    select * from {{ ref('tag_analysis_mart') }}

),

final as (

    select
        coalesce(expected.tag, found.tag) as tag,
        expected.posts as expected_posts,
        bridged.posts as bridged_posts,
        found.total_posts_with_tag as found_posts,
        expected.total_comments as expected_comments,
        found.total_comments as found_comments
    from expected
    full outer join found on expected.tag = found.tag
    left join bridged on coalesce(expected.tag, found.tag) = bridged.tag
    where
        expected.posts is distinct from bridged.posts
        or expected.posts is distinct from found.total_posts_with_tag
        or {{ any_total_differs('expected', 'found', measures()) }}

)

select * from final
