-- Posts, shares, reactions and comments are equal in the facts and in every mart that covers all posts.
-- Returns the layers that differ from the facts.

with

facts as (

    {{ totals_of('fact_post_interactions', ref('fact_post_interactions'), prefix='') }}

),

layers as (

    {{ totals_of('user_engagement_mart', ref('user_engagement_mart'), posts='sum(total_posts)') }}
    union all
    {{ totals_of('content_performance_mart', ref('content_performance_mart')) }}
    union all
    {{ totals_of('location_analysis_mart', ref('location_analysis_mart'), posts='sum(total_posts)') }}

),

final as (

    select
        layers.*,
        facts.posts as fact_posts,
        {{ as_facts('facts') }}
    from layers
    cross join facts
    where
        layers.posts is distinct from facts.posts
        or {{ any_total_differs('layers', 'facts', measures()) }}

)

select * from final
