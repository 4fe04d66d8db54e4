{#- A key that depends only on the natural key, so that every rebuild of the warehouse gives the same keys, in whatever
    order batches were loaded. Null if the natural key is null. -#}
{% macro surrogate_key(natural_key) -%}
    md5({{ natural_key }})::uuid
{%- endmacro %}

{#- The key of a post's location; a null location has the key of the unknown one. -#}
{% macro location_key(location) -%}
    {{ surrogate_key("coalesce(" ~ location ~ ", " ~ unknown_location() ~ ")") }}
{%- endmacro %}
