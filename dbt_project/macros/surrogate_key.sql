{#- A key that depends only on the natural key, so that every rebuild of the warehouse gives the same keys, in whatever
    order batches were loaded. Null if the natural key is null.

    An id of a platform begins with a blank and the platform's name: ids are trimmed, so no other key is the same. -#}
{% macro surrogate_key(natural_key, platform=none) -%}
    {%- if platform -%}
    md5(case when {{ platform }} is null then {{ natural_key }} else ' ' || {{ platform }} || ' ' || {{ natural_key }} end)::uuid
    {%- else -%}
    md5({{ natural_key }})::uuid
    {%- endif -%}
{%- endmacro %}

{#- The key of a post's location; a null location has the key of the unknown one. -#}
{% macro location_key(location) -%}
    {{ surrogate_key("coalesce(" ~ location ~ ", " ~ unknown_location() ~ ")") }}
{%- endmacro %}
