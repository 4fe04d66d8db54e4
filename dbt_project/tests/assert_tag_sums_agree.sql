-- Every tag of every current post is in bridge_post_tags, and tag_analysis_mart counts each post
-- once for each of its tags, with its comments. Returns the tags that differ from the raw rows.

with

current_posts as (

    {{ current_rows('posts', 'post_id') }}

),

expected as (

    select
        unnested.tag,
        count(*) as posts,
        {{ sum_totals('current_posts', post_measures()) }}
    from current_posts
    cross join lateral unnest(current_posts.tags) as unnested (tag)
    group by unnested.tag

),

bridged as (

    select
        post_tags.tag_sk,
        count(*) as posts,
        sum(posts.comments) as total_comments
    from {{ ref('bridge_post_tags') }} as post_tags
    inner join {{ ref('fact_post_interactions') }} as posts on post_tags.post_sk = posts.post_sk
    group by post_tags.tag_sk

),

tags as (

    select
        tags.tag,
        bridged.posts,
        bridged.total_comments
    from bridged
    inner join {{ ref('dim_tags') }} as tags on bridged.tag_sk = tags.tag_sk

),

found as (

    select * from {{ ref('tag_analysis_mart') }}

),

final as (

    select
        coalesce(expected.tag, found.tag) as tag,
        expected.posts as expected_posts,
        tags.posts as bridged_posts,
        found.total_posts_with_tag as found_posts,
        tags.total_comments as expected_comments,
        found.total_comments as found_comments
    from expected
    full outer join found on expected.tag = found.tag
    left join tags on coalesce(expected.tag, found.tag) = tags.tag
    where
        expected.posts is distinct from tags.posts
        or expected.posts is distinct from found.total_posts_with_tag
        or tags.total_comments is distinct from found.total_comments
        or {{ any_total_differs('expected', 'found', post_measures()) }}

)

select * from final
