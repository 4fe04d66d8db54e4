{#- A ratio with four decimals; zero where there is nothing to divide by. -#}
{% macro ratio(numerator, denominator) -%}
    round(coalesce({{ numerator }}::numeric / nullif({{ denominator }}, 0), 0), 4)
{%- endmacro %}
