{{
    config(
        meta={"touched": {"column": "tag_sk", "kind": "tag"}},
        indexes=[
            {"columns": ["tag_sk"], "unique": true},
            {"columns": ["tag"], "unique": true},
        ]
    )
}}

with

posts as (

    select posts.* from {{ ref('stg_posts') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id', of_platform='posts') }}

),

-- many posts have the same list of tags
lists as (

    select distinct posts.tags from posts

),

post_tags as (

    select * from {{ ref('bridge_post_tags') }}

),

tags as (

    select distinct unnested.tag
    from lists
    cross join lateral unnest(lists.tags) as unnested (tag)
    {%- if is_incremental() %}
    union
    select known.tag from {{ this }} as known
    {{ join_touched('known.tag_sk', 'tag') }}
    {%- endif %}

),

keys as (

    select
        {{ surrogate_key('tags.tag') }} as tag_sk,
        tags.tag
    from tags

),

final as (

    select
        keys.tag_sk,
        keys.tag
    from keys
    where
        exists (
            select 1 from post_tags
            where keys.tag_sk = post_tags.tag_sk
        )

)

select * from final
