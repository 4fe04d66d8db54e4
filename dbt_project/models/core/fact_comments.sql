{{
    config(
        meta={
            "touched": {"column": "comment_sk", "kind": "comment"},
            "looked_up_by": ["post_sk", "comment_user_id", "date_day"],
        },
        indexes=[{"columns": ["comment_sk"], "unique": true}]
    )
}}

with

comments as (

    select comments.* from {{ ref('stg_comments') }} as comments
    {{ join_touched('comments.comment_key', 'comment') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

final as (

    select
        -- comment_key is already the md5 of a comment's natural key
        comments.comment_key as comment_sk,
        {{ surrogate_key('comments.post_id', 'comments.platform') }} as post_sk,
        users.user_sk as comment_user_sk,
        comments.comment_user_id,
        comments.comment_text,
        comments.comment_timestamp,
        comments.date_day,
        comments.platform,
        comments.comment_id,
        comments.parent_comment_id,
        comments.author_name,
        comments.likes,
        comments.score
    from comments
    left join users
        on comments.comment_user_id = users.user_id and {{ is_same_platform('comments', 'users') }}

)

select * from final
