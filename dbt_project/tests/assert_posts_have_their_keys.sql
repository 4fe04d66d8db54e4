-- Every post (or every one that was touched) is in dim_posts and in fact_post_interactions, with the same
-- author, location and day, which a test of dim_posts knows to be there. Returns the posts that differ.

with

dimension as (

    select posts.* from {{ ref('dim_posts') }} as posts
    {{ join_touched('posts.post_sk', 'post', when=var('touched_only')) }}

),

facts as (

    select posts.* from {{ ref('fact_post_interactions') }} as posts
    {{ join_touched('posts.post_sk', 'post', when=var('touched_only')) }}

),

final as (

    select
        dimension.post_sk,
        facts.post_sk as fact_post_sk
    from dimension
    full outer join facts on dimension.post_sk = facts.post_sk
    where
        dimension.post_sk is null
        or facts.post_sk is null
        or dimension.user_sk <> facts.user_sk
        or dimension.location_sk <> facts.location_sk
        or dimension.date_day is distinct from facts.date_day

)

select * from final
