{#- A key that depends only on the natural key, so that every rebuild of the warehouse gives the same keys, in whatever
    order batches were loaded. Null if the natural key is null.

    With a platform, the natural key is an id of that platform. -#}
{% macro surrogate_key(natural_key, platform=none) -%}
    md5({{ key_on_platform(natural_key, platform) if platform else natural_key }})::uuid
{%- endmacro %}

{#- An id together with its platform. It begins with a blank and the platform's name, if there is one: ids are trimmed, so
    no other key is the same. -#}
{% macro key_on_platform(id, platform) -%}
    case when {{ platform }} is null then {{ id }} else ' ' || {{ platform }} || ' ' || {{ id }} end
{%- endmacro %}

{#- The key of a post's location; a null location has the key of the unknown one. -#}
{% macro location_key(location) -%}
    {{ surrogate_key("coalesce(" ~ location ~ ", " ~ unknown_location() ~ ")") }}
{%- endmacro %}
