-- Posts, shares, reactions and comments are the same in the raw rows that are current, in the
-- facts, and in every mart that covers all posts. Returns what differs, with both numbers.

with

current_posts as (

    {{ current_rows('posts', 'post_id') }}

),

layers as (

    {{ totals_of('fact_post_interactions', ref('fact_post_interactions'), measure_columns('1')) }}
    union all
    {{
        totals_of(
            'user_engagement_mart',
            ref('user_engagement_mart'),
            measure_columns('total_posts', 'total_')
        )
    }}
    union all
    {{
        totals_of(
            'content_performance_mart',
            ref('content_performance_mart'),
            measure_columns('1', 'total_')
        )
    }}
    union all
    {{
        totals_of(
            'location_analysis_mart',
            ref('location_analysis_mart'),
            measure_columns('total_posts', 'total_')
        )
    }}

),

expected as (

    {{ totals_of('raw_data', 'current_posts', measure_columns('1', names=post_measures())) }}
    union all
    select
        'raw_data' as layer,
        'comments' as measure,
        count(distinct comments.comment_key) as total
    from {{ source('raw_data', 'comments') }} as comments

),

pairs as (

    select
        covering.layer,
        measured.measure,
        coalesce(expected.total, 0) as expected,
        coalesce(layers.total, 0) as found
    from (
        values
        ('fact_post_interactions'),
        ('user_engagement_mart'),
        ('content_performance_mart'),
        ('location_analysis_mart')
    ) as covering (layer)
    cross join (
        values {{ name_rows(['posts'] + measures()) }}
    ) as measured (measure)
    left join expected on measured.measure = expected.measure
    left join layers on covering.layer = layers.layer and measured.measure = layers.measure

),

final as (

    select * from pairs
    where expected is distinct from found

)

select * from final
