-- Every group in the schema open has as many persons as the var open_group_size says, and the groups of each
-- kind add up to their platform. Returns the groups, and the kinds, that are wrong.

with

groups as (

    select * from {{ ref('int_open_groups') }}

),

kinds as (

    select
        groups.kind,
        groups.platform,
        {{ sums(['total_posts', 'total_reactions', 'total_shares', 'total_comments', 'total_engagement']) }}
    from groups
    group by groups.kind, groups.platform

),

final as (

    select
        groups.kind,
        groups.platform,
        groups.name
    from groups
    where groups.persons < {{ var('open_group_size') | int }}
    union all
    select
        kinds.kind,
        kinds.platform,
        null as name
    from kinds
    left join kinds as platforms on kinds.platform = platforms.platform and platforms.kind = 'platform'
    where
        (
            kinds.total_posts,
            kinds.total_reactions,
            kinds.total_shares,
            kinds.total_comments,
            kinds.total_engagement
        )
        is distinct from (
            platforms.total_posts,
            platforms.total_reactions,
            platforms.total_shares,
            platforms.total_comments,
            platforms.total_engagement
        )

)

select * from final
