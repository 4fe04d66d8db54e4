{#- A ratio with four decimals; zero if the denominator is zero or null. -#}
{% macro ratio(numerator, denominator) -%}
    round(coalesce({{ numerator }}::numeric / nullif({{ denominator }}, 0), 0), 4)
{%- endmacro %}

{#- What is computed of the totals of several posts, `alias`, with the bases by `sum_bases`. -#}
{% macro rates(alias) -%}
    {{ ratio_or_null(alias ~ ".covered_comments", alias ~ ".reported_comments") }} as comment_coverage,
    {{ ratio_or_null(alias ~ ".viewed_engagement", alias ~ ".total_views") }} as engagement_rate_by_views
{%- endmacro %}

{#- A ratio with four decimals; null without a base, if the denominator is zero or null. -#}
{% macro ratio_or_null(numerator, denominator) -%}
    round({{ numerator }}::numeric / nullif({{ denominator }}, 0), 4)::numeric(38, 4)
{%- endmacro %}
