{#- A key that depends on the natural key alone, so that it comes out the same however often and in
    whatever order the warehouse is rebuilt. Null where the natural key is null. -#}
{% macro surrogate_key(natural_key) -%}
    md5({{ natural_key }})::uuid
{%- endmacro %}

{#- The key of a post's location, which may be unknown. -#}
{% macro location_key(location) -%}
    {{ surrogate_key("coalesce(" ~ location ~ ", " ~ unknown_location() ~ ")") }}
{%- endmacro %}
