-- total_engagement is the sum of the totals beside it in every mart that shows it, and its sum is
-- the same in all marts that cover all posts.

with

marts as (
{% for mart in ['user_engagement_mart', 'content_performance_mart', 'tag_analysis_mart', 'location_analysis_mart'] %}
    select
        '{{ mart }}' as mart,
        coalesce(sum(total_engagement), 0) as found,
        coalesce(sum({{ total_engagement() }}), 0) as expected,
        count(*) filter (where total_engagement is distinct from {{ total_engagement() }}) as rows_that_differ
    from {{ ref(mart) }}
    {{ 'union all' if not loop.last }}
{% endfor %}
),

final as (

    select * from marts
    where
        marts.rows_that_differ > 0
        or marts.found is distinct from marts.expected

)

select * from final
