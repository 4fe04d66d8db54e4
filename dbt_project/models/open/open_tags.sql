with

open_groups as (

    select * from {{ ref('int_open_groups') }}
    where kind = 'tag'

),

final as (

    select
        open_groups.name as tag,
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
