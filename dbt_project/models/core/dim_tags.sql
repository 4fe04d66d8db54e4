{{
    config(
        indexes=[
            {"columns": ["tag_sk"], "unique": true},
            {"columns": ["tag"], "unique": true},
        ]
    )
}}

with

posts as (

    select * from {{ ref('stg_posts') }}

),

tags as (

    select distinct unnested.tag
    from posts
    cross join lateral unnest(posts.tags) as unnested (tag)

),

final as (

    select
        {{ surrogate_key('tags.tag') }} as tag_sk,
        tags.tag
    from tags

)

select * from final
