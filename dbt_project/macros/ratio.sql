{#- A ratio with four decimals; zero where there is nothing to divide by. -#}
{% macro ratio(numerator, denominator) -%}
    coalesce(round({{ numerator }}::numeric / nullif({{ denominator }}, 0), 4), 0)
{%- endmacro %}
