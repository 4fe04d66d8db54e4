-- Posts, shares and reactions are the same in the raw rows that are current and in the facts, day by
-- day and for the posts whose time is unknown; and in daily_engagement_mart for every day. Returns the
-- days that differ.

with

current_posts as (

    {{ current_rows('posts', 'post_id') }}

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
    group by interactions.date_day

),

days as (

    select * from {{ ref('daily_engagement_mart') }}

),

final as (

    select
        coalesce(expected.date_day, facts.date_day, days.date_day) as date_day,
        expected.posts as raw_posts,
        facts.posts as fact_posts,
        days.posts as mart_posts
    from expected
    full outer join facts
        on coalesce(expected.date_day, 'infinity') = coalesce(facts.date_day, 'infinity')
    full outer join days on facts.date_day = days.date_day
    where
        (
            (expected.posts is not null or facts.posts is not null)
            and (
                expected.posts is distinct from facts.posts
                or {{ any_total_differs('expected', 'facts', post_measures()) }}
            )
        )
        or (
            facts.date_day is not null
            and (
                facts.posts is distinct from days.posts
                or {{ any_total_differs('facts', 'days', post_measures()) }}
            )
        )
        or (facts.date_day is null and days.posts > 0)

)

select * from final
