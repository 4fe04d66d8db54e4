{{
    config(
        incremental_strategy="replace_all",
        pre_hook="set local enable_nestloop = off; set local max_parallel_workers_per_gather = 0",
        indexes=[{"columns": ["kind", "platform", "name"], "unique": true}]
    )
}}
{%- set kinds = {"location": 1, "day": 2, "tag": 3} %}
{%- set size = var("open_group_size") | int %}
{%- set first_day = "date '4714-11-24 BC'" %}

-- Posts of known authors by platform, location, day and first tag, in groups of at least as many persons as
-- the var open_group_size says. A person is the author of a post. Each post is in one group of a kind: groups
-- that are subtracted from their platform leave other groups of their kind. Group 0 is 'Other', kind 0 the
-- platform. The planner knows nothing of the sizes of what is computed here, and would join it by nested
-- loops. Parallel reading would cost more than it saves.

with

-- read twice, which is cheaper than materializing it
facts as not materialized (

    select
        facts.*,
        {{ platform_name('facts.platform') }} as platform_name
    from {{ ref('fact_post_interactions') }} as facts
    where facts.user_sk is not null

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

authors as (

    select
        facts.user_sk,
        facts.platform_name
    from facts
    group by facts.user_sk, facts.platform_name

),

platforms as (

    select
        authors.platform_name,
        count(*) as persons,
        count(*) < {{ size }} as is_joining
    from authors
    group by authors.platform_name

),

named_platforms as (

    select
        platforms.platform_name,
        platforms.persons,
        case
            when {{ joins_other('platforms.is_joining', 'platforms.persons, platforms.platform_name') }}
                then {{ other_group() }}
            else platforms.platform_name
        end as name
    from platforms

),

-- a person is of one platform, so that persons of several add up
joined_platforms as (

    select
        named_platforms.name,
        sum(named_platforms.persons)::bigint as persons,
        row_number() over (order by named_platforms.name)::integer as number
    from named_platforms
    group by named_platforms.name

),

posts as materialized (

    select
        joined_platforms.number as platform,
        facts.user_sk as person,
        case when locations.location = {{ other_group() }} then 0 else locations.number end as location,
        coalesce(facts.date_day - {{ first_day }} + 1, 0) as day,
        coalesce(first_tags.number, -1) as tag,
        {%- for name in post_measures() | reject("equalto", "shares") %}
        {{ "+ " if not loop.first }}coalesce(facts.{{ name }}, 0)
        {%- endfor %} as reactions,
        coalesce(facts.shares, 0) as shares,
        facts.comments
    from facts
    inner join named_platforms on facts.platform_name = named_platforms.platform_name
    inner join joined_platforms on named_platforms.name = joined_platforms.name
    inner join locations on facts.location_sk = locations.location_sk
    left join first_tags on facts.post_sk = first_tags.post_sk

),

all_groups as materialized (

    {{ open_groups('posts', kinds) }}

),

giving_away as (

    {{ open_groups_that_give_away('all_groups', kinds, size) }}

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

placements as materialized (

    select
        marked_groups.kind,
        marked_groups.platform,
        marked_groups.number,
        case
            when
                {{ joins_other(
                    'marked_groups.is_joining',
                    'marked_groups.persons, marked_groups.number',
                    'marked_groups.kind, marked_groups.platform'
                ) }}
                then 0
            else marked_groups.number
        end as new_number
    from marked_groups

),

changed_platforms as (

    select distinct placements.platform from placements
    where placements.new_number <> placements.number

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
    {%- for kind, number in kinds.items() %}
    inner join placements as of_{{ kind }}
        on
            of_{{ kind }}.kind = {{ number }}
            and posts.platform = of_{{ kind }}.platform
            and posts.{{ kind }} = of_{{ kind }}.number
    {%- endfor %}

),

placed_groups as materialized (

    {{ open_groups('placed_posts', kinds) }}

),

-- what 'Other' gives away, now that it has all its groups
still_giving_away as (

    {{ open_groups_that_give_away('placed_groups', kinds, size) }}

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
        0 as kind,
        joined_platforms.number as platform
    from joined_platforms

),

totals as (

    select
        all_groups.platform,
        sum(all_groups.total_posts)::bigint as total_posts,
        sum(all_groups.total_reactions)::bigint as total_reactions,
        sum(all_groups.total_shares)::bigint as total_shares,
        sum(all_groups.total_comments)::bigint as total_comments
    from all_groups
    where all_groups.kind = {{ kinds.location }}
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
        joined_platforms.persons,
        totals.total_posts,
        totals.total_reactions,
        totals.total_shares,
        totals.total_comments
    from whole_platforms
    inner join joined_platforms on whole_platforms.platform = joined_platforms.number
    inner join totals on whole_platforms.platform = totals.platform

),

kinds (name, number) as (

    values
    ('platform', 0),
    {%- for kind, number in kinds.items() %}
    ('{{ kind }}', {{ number }}){{ "," if not loop.last }}
    {%- endfor %}

),

final as (

    select
        kinds.name as kind,
        joined_platforms.name as platform,
        case
            when kinds.name = 'platform' then joined_platforms.name
            when groups.number = 0 then {{ other_group() }}
            when kinds.name = 'location' then locations.location
            when kinds.name = 'day' then to_char({{ first_day }} + groups.number - 1, 'YYYY-MM-DD')
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
    inner join kinds on groups.kind = kinds.number
    inner join joined_platforms on groups.platform = joined_platforms.number
    left join locations on groups.number = locations.number
    left join tags on groups.number = tags.number
    -- where 'Other' itself has too few, it is all there is
    where joined_platforms.persons >= {{ size }}

)

select * from final
