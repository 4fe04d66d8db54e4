{#- Groups of persons in the schema open: what models/intermediate/int_open_groups.sql repeats, and the models that show
    them. -#}

{#- The name of the group that small ones join. -#}
{% macro other_group() -%}
    'Other'
{%- endmacro %}

{#- The name under which posts without tags are counted. Tags are lower case, so none is called that. -#}
{% macro without_tag() -%}
    'Without Tag'
{%- endmacro %}

{#- True for the groups that have to join 'Other', and where there are any, for the smallest of those that have not.
    `smallest_first` is the order, `partition` the columns of the groups with the same 'Other'. -#}
{% macro joins_other(is_joining, smallest_first, partition=none) -%}
    {{ is_joining }}
    or lag({{ is_joining }}, 1, false) over (
        {%- if partition %}
        partition by {{ partition }}
        {%- endif %}
        order by {{ is_joining }} desc, {{ smallest_first }}
    )
{%- endmacro %}

{#- The groups of each kind in `posts`: their persons and figures, all posts of their platform, and the first and the
    last group of each kind that their posts are in. `kinds` has the numbers of kinds by their names. Rows are sorted by
    the columns of a set: the first has more values than the platform, so that few need to be compared by both. -#}
{% macro open_groups(posts, kinds) -%}
    select
        case
            {%- for kind, number in kinds.items() %}
            when grouping({{ posts }}.{{ kind }}) = 0 then {{ number }}
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
        ({{ posts }}.{{ kind }}, {{ posts }}.platform){{ "," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- The groups that give something away with a group of an earlier kind (with a lower number), and give way: all posts
    of one are in the other, so that it can be subtracted, and fewer than `size` persons may be left. A group with all
    posts of its platform is no danger: what is left of it are the other groups of the kind that is subtracted. -#}
{% macro open_groups_that_give_away(groups, kinds, size) -%}
    {%- for kind, number in kinds.items() %}
    select
        greatest(inside.kind, outside.kind) as kind,
        inside.platform,
        case when inside.kind > outside.kind then inside.number else outside.number end as number
    from {{ groups }} as inside
    inner join {{ groups }} as outside
        on
            inside.platform = outside.platform
            and inside.first_{{ kind }} = outside.number
            and inside.last_{{ kind }} = outside.number
    where
        outside.kind = {{ number }}
        and inside.persons >= {{ size }}
        and inside.total_posts < outside.total_posts
        and outside.persons - inside.persons < {{ size }}
        and outside.total_posts < outside.posts_of_platform
    {{ "union all" if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- What a table of the schema open shows: the groups of a kind, after `column`, their name. Platforms need none. -#}
{% macro open_table(kind, column=none) -%}
with

open_groups as (

    select * from {{ ref('int_open_groups') }}
    where kind = '{{ kind }}'

),

final as (

    select
        {%- if column %}
        {{ column }},
        {%- endif %}
        open_groups.platform,
        open_groups.persons,
        open_groups.total_posts,
        open_groups.total_reactions,
        open_groups.total_shares,
        open_groups.total_comments,
        open_groups.total_engagement
    from open_groups

)

select * from final
{%- endmacro %}
