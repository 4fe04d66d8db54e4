-- Posts and their measures, the null ones too, are equal in the current raw rows and in the facts, for
-- every platform and day and for the posts whose time is unknown. Checks all posts, or only touched ones.
-- Returns the days that differ.

with

current_posts as (

    {{ current_rows('posts', 'post_id', 'post') }}

),

expected as (

    select
        current_posts.post_timestamp::date as date_day,
        {{ platform_name('current_posts.platform') }} as platform_name,
        count(*) as posts,
        {{ count_nulls('current_posts') }} as nulls,
        {{ sum_totals('current_posts', post_measures() + other_measures()) }}
    from current_posts
    group by current_posts.post_timestamp::date, current_posts.platform

),

facts as (

    select
        interactions.date_day,
        {{ platform_name('interactions.platform') }} as platform_name,
        count(*) as posts,
        {{ count_nulls('interactions') }} as nulls,
        {{ sum_totals('interactions', post_measures() + other_measures()) }}
    from {{ ref('fact_post_interactions') }} as interactions
    {{ join_touched('interactions.post_sk', 'post', when=var('touched_only')) }}
    group by interactions.date_day, interactions.platform

),

final as (

    select
        coalesce(expected.date_day, facts.date_day) as date_day,
        coalesce(expected.platform_name, facts.platform_name) as platform,
        expected.posts as raw_posts,
        facts.posts as fact_posts
    from expected
    full outer join facts
        on
            coalesce(expected.date_day, 'infinity') = coalesce(facts.date_day, 'infinity')
            and expected.platform_name = facts.platform_name
    where
        expected.posts is distinct from facts.posts
        or expected.nulls is distinct from facts.nulls
        or {{ any_total_differs('expected', 'facts', post_measures() + other_measures()) }}

)

select * from final
