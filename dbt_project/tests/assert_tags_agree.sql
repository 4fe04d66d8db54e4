-- tag_analysis_mart counts each post once for each of its tags, with the counters of the facts. Returns the
-- tags that differ.

with

expected as (

    select
        post_tags.tag_sk,
        count(*) as posts,
        {{ sum_totals('posts') }}
    from {{ ref('bridge_post_tags') }} as post_tags
    inner join {{ ref('fact_post_interactions') }} as posts on post_tags.post_sk = posts.post_sk
    group by post_tags.tag_sk

),

named as (

    select
        expected.*,
        tags.tag
    from expected
    left join {{ ref('dim_tags') }} as tags on expected.tag_sk = tags.tag_sk

),

final as (

    select
        coalesce(named.tag, found.tag) as tag,
        named.posts as expected_posts,
        found.total_posts_with_tag as found_posts
    from named
    full outer join {{ ref('tag_analysis_mart') }} as found on named.tag = found.tag
    where
        named.posts is distinct from found.total_posts_with_tag
        or {{ any_total_differs('named', 'found', measures()) }}

)

select * from final
