{#- The rank of every total_engagement that rows of `relation` have: one more than how many have more. One plain
    query, of which the planner sees that each is there once: it leaves the ranks out where nobody asks for them. -#}
{% macro engagement_ranks(relation) -%}
select
    engagement.total_engagement,
    (sum(count(*)) over higher - count(*) + 1)::bigint as engagement_rank
from {{ relation }} as engagement
group by engagement.total_engagement
window higher as (order by engagement.total_engagement desc)
{%- endmacro %}
