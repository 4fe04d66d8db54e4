{{
    config(
        incremental_strategy="replace_all",
        pre_hook="set local enable_nestloop = off",
        indexes=[{"columns": ["kind", "platform", "name"], "unique": true}]
    )
}}
{%- set size = var("open_group_size") | int %}
{%- set kinds = ["location", "day", "tag"] %}
{%- set first_day = "date '4714-11-24 BC'" %}

-- Posts of known authors by platform, location, day and first tag, in groups of at least as many persons as
-- the var open_group_size says. A person is the author of a post. Each post is in one group of a kind: groups
-- that are subtracted from their platform leave other groups of their kind. Group 0 is 'Other'. The planner
-- knows nothing of the sizes of what is computed here, and would join it by nested loops.

with

-- read twice, which is cheaper than materializing it
facts as not materialized (

    select * from {{ ref('fact_post_interactions') }}

),

authors as (

    select
        facts.user_sk,
        {{ platform_name('facts.platform') }} as platform
    from facts
    where facts.user_sk is not null
    group by facts.user_sk, facts.platform

),

locations as (

    select
        dim_locations.location_sk,
        dim_locations.location,
        row_number() over (order by dim_locations.location_sk)::integer as number
    from {{ ref('dim_locations') }} as dim_locations

),

tags as (

    select
        dim_tags.tag_sk,
        dim_tags.tag,
        row_number() over (order by dim_tags.tag_sk)::integer as number
    from {{ ref('dim_tags') }} as dim_tags

),

first_tags as (

    select
        post_tags.post_sk,
        tags.number
    from {{ ref('bridge_post_tags') }} as post_tags
    inner join tags on post_tags.tag_sk = tags.tag_sk
    where post_tags.tag_position = 1

),

platforms as (

    select
        authors.platform,
        count(*) as persons,
        count(*) < {{ size }} as is_joining
    from authors
    group by authors.platform

),

-- whatever joins 'Other', the smallest of the others joins it, too
ordered_platforms as (

    select
        platforms.*,
        bool_or(platforms.is_joining) over () as is_any_joining,
        row_number() over (
            partition by platforms.is_joining order by platforms.persons, platforms.platform
        ) as place
    from platforms

),

named_platforms as (

    select
        ordered_platforms.platform,
        ordered_platforms.persons,
        case
            when
                ordered_platforms.is_joining
                or (ordered_platforms.is_any_joining and ordered_platforms.place = 1)
                then {{ other_group() }}
            else ordered_platforms.platform
        end as name
    from ordered_platforms

),

-- a person is of one platform, so that persons of several add up
shown_platforms as (

    select
        named_platforms.name,
        sum(named_platforms.persons)::bigint as persons,
        row_number() over (order by named_platforms.name)::integer as number
    from named_platforms
    group by named_platforms.name
    having sum(named_platforms.persons) >= {{ size }}

),

persons as (

    select
        authors.user_sk,
        row_number() over ()::integer as number,
        shown_platforms.number as platform
    from authors
    inner join named_platforms on authors.platform = named_platforms.platform
    inner join shown_platforms on named_platforms.name = shown_platforms.name

),

posts as materialized (

    select
        persons.platform,
        persons.number as person,
        case when locations.location = {{ other_group() }} then 0 else locations.number end as location,
        coalesce(facts.date_day - {{ first_day }} + 1, 0) as day,
        coalesce(first_tags.number, -1) as tag,
        {%- for name in post_measures() | reject("equalto", "shares") %}
        {{ "+ " if not loop.first }}coalesce(facts.{{ name }}, 0)
        {%- endfor %} as reactions,
        coalesce(facts.shares, 0) as shares,
        facts.comments
    from facts
    inner join persons on facts.user_sk = persons.user_sk
    inner join locations on facts.location_sk = locations.location_sk
    left join first_tags on facts.post_sk = first_tags.post_sk

),

all_groups as materialized (

    {{ open_groups('posts', kinds) }}

),

giving_away as (

    {{ open_groups_that_give_away('all_groups', size) }}

),

marked_groups as (

    select
        all_groups.kind,
        all_groups.platform,
        all_groups.number,
        all_groups.persons,
        (
            all_groups.persons < {{ size }}
            or (all_groups.kind, all_groups.platform, all_groups.number) in (
                select
                    giving_away.kind,
                    giving_away.platform,
                    giving_away.number
                from giving_away
            )
        ) as is_joining
    from all_groups

),

ordered_groups as (

    select
        marked_groups.*,
        bool_or(marked_groups.is_joining) over (
            partition by marked_groups.kind, marked_groups.platform
        ) as is_any_joining,
        row_number() over (
            partition by marked_groups.kind, marked_groups.platform, marked_groups.is_joining
            order by marked_groups.persons, marked_groups.number
        ) as place
    from marked_groups

),

placements as materialized (

    select
        ordered_groups.kind,
        ordered_groups.platform,
        ordered_groups.number,
        case
            when
                ordered_groups.is_joining
                or (ordered_groups.is_any_joining and ordered_groups.place = 1)
                then 0
            else ordered_groups.number
        end as new_number
    from ordered_groups

),

changed_platforms as (

    select distinct placements.platform from placements
    where placements.new_number = 0

),

placed_posts as materialized (

    select
        posts.platform,
        posts.person,
        {%- for kind in kinds %}
        of_{{ kind }}.new_number as {{ kind }},
        {%- endfor %}
        posts.reactions,
        posts.shares,
        posts.comments
    from posts
    inner join changed_platforms on posts.platform = changed_platforms.platform
    {%- for kind in kinds %}
    inner join placements as of_{{ kind }}
        on
            of_{{ kind }}.kind = '{{ kind }}'
            and posts.platform = of_{{ kind }}.platform
            and posts.{{ kind }} = of_{{ kind }}.number
    {%- endfor %}

),

placed_groups as materialized (

    {{ open_groups('placed_posts', kinds) }}

),

-- what 'Other' gives away, now that it has all its groups
still_giving_away as (

    {{ open_groups_that_give_away('placed_groups', size) }}

),

shown_groups as (

    select all_groups.* from all_groups
    where all_groups.platform not in (select changed_platforms.platform from changed_platforms)
    union all
    select placed_groups.* from placed_groups
    where
        (placed_groups.kind, placed_groups.platform) not in (
            select
                still_giving_away.kind,
                still_giving_away.platform
            from still_giving_away
        )

),

-- one group with all posts of its platform gives nothing away
whole_platforms as (

    select distinct
        still_giving_away.kind,
        still_giving_away.platform
    from still_giving_away
    union all
    select
        'platform' as kind,
        shown_platforms.number as platform
    from shown_platforms

),

totals as (

    select
        all_groups.platform,
        sum(all_groups.total_posts)::bigint as total_posts,
        sum(all_groups.total_reactions)::bigint as total_reactions,
        sum(all_groups.total_shares)::bigint as total_shares,
        sum(all_groups.total_comments)::bigint as total_comments
    from all_groups
    where all_groups.kind = 'location'
    group by all_groups.platform

),

groups as (

    select
        shown_groups.kind,
        shown_groups.platform,
        shown_groups.number,
        shown_groups.persons,
        shown_groups.total_posts,
        shown_groups.total_reactions,
        shown_groups.total_shares,
        shown_groups.total_comments
    from shown_groups
    union all
    select
        whole_platforms.kind,
        whole_platforms.platform,
        0 as number,
        shown_platforms.persons,
        totals.total_posts,
        totals.total_reactions,
        totals.total_shares,
        totals.total_comments
    from whole_platforms
    inner join shown_platforms on whole_platforms.platform = shown_platforms.number
    inner join totals on whole_platforms.platform = totals.platform

),

final as (

    select
        groups.kind,
        shown_platforms.name as platform,
        case
            when groups.kind = 'platform' then shown_platforms.name
            when groups.number = 0 then {{ other_group() }}
            when groups.kind = 'location' then locations.location
            when groups.kind = 'day' then to_char({{ first_day }} + groups.number - 1, 'YYYY-MM-DD')
            when groups.number = -1 then {{ without_tag() }}
            else tags.tag
        end as name,
        groups.persons,
        groups.total_posts,
        groups.total_reactions,
        groups.total_shares,
        groups.total_comments,
        groups.total_reactions + groups.total_shares + groups.total_comments as total_engagement
    from groups
    inner join shown_platforms on groups.platform = shown_platforms.number
    left join locations on groups.kind = 'location' and groups.number = locations.number
    left join tags on groups.kind = 'tag' and groups.number = tags.number

)

select * from final
