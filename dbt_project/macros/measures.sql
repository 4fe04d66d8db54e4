{#- The one definition of what engagement consists of, and of the counters beside it. A format that lacks a measure leaves
    it null, which is not 0: sums treat it as nothing, and averages leave it out. -#}

{#- The counters of engagement that a post itself has. -#}
{% macro post_measures() -%}
    {{ return(["likes", "love", "wow", "haha", "sad", "angry", "shares", "other_reactions"]) }}
{%- endmacro %}

{#- The counters whose sum is the engagement: the post's own and the comments it received. -#}
{% macro measures() -%}
    {{ return(post_measures() + ["comments"]) }}
{%- endmacro %}

{#- The same, but for the counter that only formats of other platforms have: it stands after the others in marts. -#}
{% macro native_measures() -%}
    {{ return(measures() | reject("equalto", "other_reactions") | list) }}
{%- endmacro %}

{#- The counters of a post that are no engagement. Their sums are null where no post has them. -#}
{% macro other_measures() -%}
    {{ return(["score", "reported_comments", "views", "quotes", "saves"]) }}
{%- endmacro %}

{#- The counters of a comment. -#}
{% macro comment_measures() -%}
    {{ return(["likes", "score"]) }}
{%- endmacro %}

{#- The name of a measure in marts: likes is total_likes, ... -#}
{% macro total_name(name) -%}
    {{ return(name if name == "reported_comments" else "total_" ~ name) }}
{%- endmacro %}

{#- The measures of `alias` under their names in the marts: likes as total_likes, ... -#}
{% macro as_totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    {{ alias }}.{{ name }}{% if total_name(name) != name %} as {{ total_name(name) }}{% endif %}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The sums of the measures of `alias`: sum(likes) as total_likes, ... Cast, because sum(bigint) is numeric and
    counters are bigint. -#}
{% macro sum_totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    sum({{ alias }}.{{ name }})::bigint as {{ total_name(name) }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The sums of the totals of `alias`. -#}
{% macro sum_of_totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    sum({{ alias }}.{{ total_name(name) }})::bigint as {{ total_name(name) }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The totals of `alias`, unchanged. -#}
{% macro totals(alias, names=none) -%}
    {%- for name in names or measures() %}
    {{ alias }}.{{ total_name(name) }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The totals of the right side of a left join, `alias`: zero if there was no match or no post has the measure. -#}
{% macro totals_or_zero(alias, names=none) -%}
    {%- for name in names or measures() %}
    coalesce({{ alias }}.{{ total_name(name) }}, 0) as {{ total_name(name) }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- total_engagement: the six reactions, all others, the shares and the comments received, a null counting as nothing.
    `names` are those of the counters, `can_be_null` whether any of them can be null. -#}
{% macro total_engagement(can_be_null=false, alias=none) -%}
    {%- for name in measures() -%}
    {%- set column = alias ~ "." ~ name if alias else "total_" ~ name -%}
    {{ "coalesce(" ~ column ~ ", 0)" if can_be_null else column }}{{ " + " if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- What rates of several posts are computed of: the comments of those that report a number of comments, and the
    engagement of those that report views. -#}
{% macro sum_bases(alias) -%}
    sum({{ alias }}.comments) filter (where {{ alias }}.reported_comments is not null)::bigint as covered_comments,
    sum({{ total_engagement(can_be_null=true, alias=alias) }}) filter (where {{ alias }}.views is not null)::bigint
        as viewed_engagement
{%- endmacro %}
