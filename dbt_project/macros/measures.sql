{#- The rule of what engagement consists of, in one place. -#}

{#- What is counted on a post itself. -#}
{% macro post_measures() -%}
    {{ return(["likes", "love", "wow", "haha", "sad", "angry", "shares"]) }}
{%- endmacro %}

{#- What adds up to engagement: the post's own counters and the comments it received. -#}
{% macro measures() -%}
    {{ return(post_measures() + ["comments"]) }}
{%- endmacro %}

{#- The measures of `alias`, under their names in the marts: likes as total_likes, ... -#}
{% macro as_totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    {{ alias }}.{{ name }} as total_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The sums of the measures of `alias`: sum(likes) as total_likes, ...
    The sum of bigints is numeric; counters are bigint. -#}
{% macro sum_totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    sum({{ alias }}.{{ name }})::bigint as total_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The totals of `alias` as they are. -#}
{% macro totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    {{ alias }}.total_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The totals of `alias`, which was joined from the left: nothing to join means zero. -#}
{% macro totals_or_zero(alias, names=none) -%}
    {%- for name in names or measures() %}
    coalesce({{ alias }}.total_{{ name }}, 0) as total_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- total_engagement: the six reactions, the shares and the comments received. -#}
{% macro total_engagement() -%}
    {%- for name in measures() %}
    total_{{ name }}{{ " +" if not loop.last }}
    {%- endfor %}
{%- endmacro %}
