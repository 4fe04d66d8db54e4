{#- The one definition of what engagement consists of. -#}

{#- The counters that a post itself has. -#}
{% macro post_measures() -%}
    {{ return(["likes", "love", "wow", "haha", "sad", "angry", "shares"]) }}
{%- endmacro %}

{#- The counters whose sum is the engagement: the post's own and the comments it received. -#}
{% macro measures() -%}
    {{ return(post_measures() + ["comments"]) }}
{%- endmacro %}

{#- The measures of `alias` under their names in the marts: likes as total_likes, ... -#}
{% macro as_totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    {{ alias }}.{{ name }} as total_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The sums of the measures of `alias`: sum(likes) as total_likes, ... Cast, because sum(bigint) is numeric and
    counters are bigint. -#}
{% macro sum_totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    sum({{ alias }}.{{ name }})::bigint as total_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The totals of `alias`, unchanged. -#}
{% macro totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    {{ alias }}.total_{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The totals of the right side of a left join, `alias`: zero if there was no match. -#}
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
