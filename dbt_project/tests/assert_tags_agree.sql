-- tag_analysis_mart counts each post once for each of its tags, with the counters of the facts, on every
-- platform. Returns the tags that differ.

with

expected as (

    select
        post_tags.tag_sk,
        {{ platform_name('posts.platform') }} as platform_name,
        count(*) as posts,
        {{ sum_totals('posts', measures() + other_measures()) }}
    from {{ ref('bridge_post_tags') }} as post_tags
    inner join {{ ref('fact_post_interactions') }} as posts on post_tags.post_sk = posts.post_sk
    group by post_tags.tag_sk, posts.platform

),

named as (

    select
        expected.platform_name,
        expected.posts,
        {{ totals_or_zero('expected') }},
        {{ totals('expected', other_measures()) }},
        tags.tag
    from expected
    left join {{ ref('dim_tags') }} as tags on expected.tag_sk = tags.tag_sk

),

final as (

    select
        coalesce(named.tag, found.tag) as tag,
        coalesce(named.platform_name, found.platform) as platform,
        named.posts as expected_posts,
        found.total_posts_with_tag as found_posts
    from named
    full outer join {{ ref('tag_analysis_mart') }} as found
        on named.tag = found.tag and named.platform_name = found.platform
    where
        named.posts is distinct from found.total_posts_with_tag
        or {{ any_total_differs('named', 'found', measures() + other_measures()) }}

)

select * from final
