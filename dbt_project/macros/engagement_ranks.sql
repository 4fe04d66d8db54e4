{#- The rank of every total_engagement that rows of `relation` have: one more than how many have more. -#}
{% macro engagement_ranks(relation) -%}
with

counted as (

    select
        engagement.total_engagement,
        count(*) as equals
    from {{ relation }} as engagement
    group by engagement.total_engagement

),

final as (

    select
        counted.total_engagement,
        (sum(counted.equals) over higher - counted.equals + 1)::bigint as engagement_rank
    from counted
    window higher as (order by counted.total_engagement desc)

)

select * from final
{%- endmacro %}
