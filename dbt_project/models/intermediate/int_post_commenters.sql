{{
    config(
        meta={"touched": {"column": "post_sk", "kind": "post"}},
        post_hook="{{ index_for_updates(ref('fact_comments'), 'post_sk') }}",
        indexes=[{"columns": ["post_sk"], "unique": true}]
    )
}}

with

comments as (

    select comments.* from {{ ref('fact_comments') }} as comments
    {{ join_touched('comments.post_sk', 'post') }}

),

commenters as (

    select distinct
        comments.post_sk,
        comments.comment_user_id
    from comments
    where comments.comment_user_id is not null

),

final as (

    select
        commenters.post_sk,
        count(*) as total_users_interacted
    from commenters
    group by commenters.post_sk

)

select * from final
