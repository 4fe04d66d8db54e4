{#- A key that depends on the natural key alone, so that it comes out the same however often and in
    whatever order the warehouse is rebuilt. Null where the natural key is null. -#}
{% macro surrogate_key(natural_key) -%}
    md5({{ natural_key }})::uuid
{%- endmacro %}
