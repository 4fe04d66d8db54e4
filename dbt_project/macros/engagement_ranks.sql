{#- The rank of every value of total_engagement in `relation`: one more than the number of rows with a higher value.
    A plain `group by`, so that the planner knows each value is unique and can drop the join when no rank is read. -#}
{% macro engagement_ranks(relation) -%}
select
    engagement.total_engagement,
    (sum(count(*)) over higher - count(*) + 1)::bigint as engagement_rank
from {{ relation }} as engagement
group by engagement.total_engagement
window higher as (order by engagement.total_engagement desc)
{%- endmacro %}
