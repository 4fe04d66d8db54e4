-- bridge_post_tags has every tag of every current post at its position and no others. Checks all posts, or
-- only touched ones. Returns the tags that differ: the numbers of posts, and digests of posts and positions.

with

current_posts as (

    {{ current_rows('posts', 'post_id', 'post') }}

),

posts as (

    select
        {{ surrogate_key('current_posts.post_id', 'current_posts.platform') }} as post_sk,
        current_posts.tags
    from current_posts

),

expected as (

    select
        {{ surrogate_key('unnested.tag') }} as tag_sk,
        count(*) as posts,
        bit_xor(hash_record_extended(row(posts.post_sk, unnested.tag_position::integer), 0)) as digest
    from posts
    cross join lateral unnest(posts.tags) with ordinality as unnested (tag, tag_position)
    group by unnested.tag

),

found as (

    select
        post_tags.tag_sk,
        count(*) as posts,
        bit_xor(hash_record_extended(row(post_tags.post_sk, post_tags.tag_position), 0)) as digest
    from {{ ref('bridge_post_tags') }} as post_tags
    {{ join_touched('post_tags.post_sk', 'post', when=var('touched_only')) }}
    group by post_tags.tag_sk

),

final as (

    select
        coalesce(expected.tag_sk, found.tag_sk) as tag_sk,
        expected.posts as raw_posts,
        found.posts as bridge_posts,
        expected.digest as raw_digest,
        found.digest as bridge_digest
    from expected
    full outer join found on expected.tag_sk = found.tag_sk
    where
        expected.posts is distinct from found.posts
        or expected.digest is distinct from found.digest

)

select * from final
