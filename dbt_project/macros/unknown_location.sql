{#- The name under which posts without a location are counted. -#}
{% macro unknown_location() -%}
    'Unknown Location'
{%- endmacro %}
