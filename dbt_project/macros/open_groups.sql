{#- Groups of persons in the schema open: what models/intermediate/int_open_groups.sql repeats. -#}

{#- The name of the group that small ones join. -#}
{% macro other_group() -%}
    'Other'
{%- endmacro %}

{#- The name under which posts without tags are counted. Tags are lower case, so none is called that. -#}
{% macro without_tag() -%}
    'Without Tag'
{%- endmacro %}

{#- The groups of each kind in `posts`: their persons and figures, all posts of their platform, and the first and the last
    group of each kind that their posts are in. -#}
{% macro open_groups(posts, kinds) -%}
    select
        case
            {%- for kind in kinds %}
            when grouping({{ posts }}.{{ kind }}) = 0 then '{{ kind }}'
            {%- endfor %}
        end as kind,
        {{ posts }}.platform,
        coalesce({{ posts }}.location, {{ posts }}.day, {{ posts }}.tag) as number,
        count(distinct {{ posts }}.person) as persons,
        count(*) as total_posts,
        sum({{ posts }}.reactions)::bigint as total_reactions,
        sum({{ posts }}.shares)::bigint as total_shares,
        sum({{ posts }}.comments)::bigint as total_comments,
        sum(count(*)) over (
            partition by grouping({{ posts }}.location), grouping({{ posts }}.day), {{ posts }}.platform
        ) as posts_of_platform,
        {%- for kind in kinds %}
        min({{ posts }}.{{ kind }}) as first_{{ kind }},
        max({{ posts }}.{{ kind }}) as last_{{ kind }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ posts }}
    group by grouping sets (
        {%- for kind in kinds %}
        ({{ posts }}.platform, {{ posts }}.{{ kind }}){{ "," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- The groups that give something away with a group of an earlier kind (of location, day and tag), and give way: all
    posts of one are in the other, so that it can be subtracted, and fewer than `size` persons may be left. A group with
    all posts of its platform is no danger: what is left of it are the other groups of the kind that is subtracted. -#}
{% macro open_groups_that_give_away(groups, size) -%}
    {%- for earlier, later in [("location", "day"), ("location", "tag"), ("day", "tag")] -%}
    {%- set is_last = loop.last -%}
    {%- for inner, outer in [(earlier, later), (later, earlier)] %}
    select
        '{{ later }}' as kind,
        inside.platform,
        {{ "inside" if inner == later else "outside" }}.number
    from {{ groups }} as inside
    inner join {{ groups }} as outside
        on
            inside.platform = outside.platform
            and inside.first_{{ outer }} = outside.number
            and inside.last_{{ outer }} = outside.number
    where
        inside.kind = '{{ inner }}'
        and outside.kind = '{{ outer }}'
        and inside.persons >= {{ size }}
        and inside.total_posts < outside.total_posts
        and outside.persons - inside.persons < {{ size }}
        and outside.total_posts < outside.posts_of_platform
    {{ "union all" if not (is_last and loop.last) }}
    {%- endfor -%}
    {%- endfor %}
{%- endmacro %}
