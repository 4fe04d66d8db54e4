with

open_groups as (

    select * from {{ ref('int_open_groups') }}
    where kind = 'day'

),

final as (

    select
        nullif(open_groups.name, {{ other_group() }})::date as date_day,
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
