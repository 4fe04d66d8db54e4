-- dim_posts and fact_post_interactions have the same posts, with the same author, platform, location and
-- day (another test checks that those exist); a post that is in no batch is in dim_posts alone. Checks all
-- posts, or only touched ones. Returns the posts that differ.

with

dimension as (

    select posts.* from {{ ref('dim_posts') }} as posts
    {{ join_touched('posts.post_sk', 'post', when=var('touched_only')) }}
    where not posts.is_inferred

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
        or dimension.user_sk is distinct from facts.user_sk
        or dimension.platform is distinct from facts.platform
        or dimension.location_sk <> facts.location_sk
        or dimension.date_day is distinct from facts.date_day

)

select * from final
