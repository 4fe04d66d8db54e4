-- Posts, shares and reactions are equal in the current raw rows and in the facts, for every day and for the
-- posts whose time is unknown. Checks all posts, or only touched ones. Returns the days that differ.

with

current_posts as (

    {{ current_rows('posts', 'post_id', 'post') }}

),

expected as (

    select
        current_posts.post_timestamp::date as date_day,
        count(*) as posts,
        {{ sum_totals('current_posts', post_measures()) }}
    from current_posts
    group by current_posts.post_timestamp::date

),

facts as (

    select
        interactions.date_day,
        count(*) as posts,
        {{ sum_totals('interactions', post_measures()) }}
    from {{ ref('fact_post_interactions') }} as interactions
    {{ join_touched('interactions.post_sk', 'post', when=var('touched_only')) }}
    group by interactions.date_day

),

final as (

    select
        coalesce(expected.date_day, facts.date_day) as date_day,
        expected.posts as raw_posts,
        facts.posts as fact_posts
    from expected
    full outer join facts
        on coalesce(expected.date_day, 'infinity') = coalesce(facts.date_day, 'infinity')
    where
        expected.posts is distinct from facts.posts
        or {{ any_total_differs('expected', 'facts', post_measures()) }}

)

select * from final
