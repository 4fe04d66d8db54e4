-- Posts and all their measures are equal in the facts and in every mart that covers all posts, on every
-- platform. Posts of unknown authors are in no user's row. Returns the layers that differ from the facts.

with

facts as (

    {{ totals_of_facts('facts') }}

),

expected as (

    select
        named.layer_name,
        facts.*
    from facts
    cross join (
        values
        ('user_engagement_mart'),
        ('content_performance_mart'),
        ('location_analysis_mart'),
        ('platform_mart')
    ) as named (layer_name)

),

parts as (

    {{ totals_of('user_engagement_mart', 'sum(total_posts)') }}
    union all
    {{ totals_of_facts('user_engagement_mart', 'user_sk is null') }}
    union all
    {{ totals_of('content_performance_mart', 'count(*)') }}
    union all
    {{ totals_of('location_analysis_mart', 'sum(total_posts)') }}
    union all
    {{ totals_of('platform_mart', 'sum(total_posts)') }}

),

layers as (

    select
        parts.layer,
        parts.platform_name,
        sum(parts.posts) as posts,
        {{ sum_of_totals('parts', measures() + other_measures()) }}
    from parts
    group by parts.layer, parts.platform_name

),

final as (

    select
        coalesce(expected.layer_name, layers.layer) as layer_name,
        coalesce(expected.platform_name, layers.platform_name) as platform_name,
        expected.posts as fact_posts,
        layers.posts as layer_posts,
        {{ as_facts('expected') }},
        {{ totals('layers', measures() + other_measures()) }}
    from expected
    full outer join layers
        on expected.layer_name = layers.layer and expected.platform_name = layers.platform_name
    where
        coalesce(expected.posts, 0) <> coalesce(layers.posts, 0)
        or {{ any_sum_differs('expected', 'layers', measures() + other_measures()) }}

)

select * from final
