{{
    config(
        meta={
            "touched": {"column": "post_sk", "kind": "post"},
            "looked_up_by": ["location_sk"],
            "planned_by": ["post_id", "is_inferred"],
        },
        indexes=[
            {"columns": ["post_sk"], "unique": true},
            {"columns": ["post_id"]},
        ]
    )
}}

with

posts as (

    select posts.* from {{ ref('stg_posts') }} as posts
    {{ join_touched('posts.post_id', 'post', 'id', of_platform='posts') }}

),

known as (

    select
        {{ surrogate_key('posts.post_id', 'posts.platform') }} as post_sk,
        posts.post_id,
        {{ surrogate_key('posts.user_id', 'posts.platform') }} as user_sk,
        {{ location_key('posts.location') }} as location_sk,
        posts.date_day,
        posts.post_text,
        posts.post_timestamp,
        nullif(array_to_string(posts.tags, ', '), '') as tags,
        posts.platform,
        posts.channel,
        posts.url,
        posts.post_type,
        posts.lang
    from posts

),

-- posts that only their comments tell of
missing as (

    select distinct
        comments.platform,
        comments.post_id
    from {{ ref('stg_comments') }} as comments
    {{ join_touched('comments.post_id', 'post', 'id', of_platform='comments') }}
    where
        comments.stands_alone
        and not exists (
            select 1 from {{ ref('stg_posts') }} as posts
            where comments.post_id = posts.post_id and {{ is_same_platform('comments', 'posts') }}
        )

),

final as (

    select
        known.*,
        false as is_inferred
    from known
    union all
    select
        {{ surrogate_key('missing.post_id', 'missing.platform') }} as post_sk,
        missing.post_id,
        null as user_sk,
        {{ location_key('null') }} as location_sk,
        null as date_day,
        null as post_text,
        null as post_timestamp,
        null as tags,
        missing.platform,
        null as channel,
        null as url,
        null as post_type,
        null as lang,
        true as is_inferred
    from missing

)

select * from final
