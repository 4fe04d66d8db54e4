{#- A ratio with four decimals; zero if the denominator is zero or null. -#}
{% macro ratio(numerator, denominator) -%}
    round(coalesce({{ numerator }}::numeric / nullif({{ denominator }}, 0), 0), 4)
{%- endmacro %}
