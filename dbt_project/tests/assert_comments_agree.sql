-- Every comment of any batch is in fact_comments, as it was loaded and with its known commenter, and
-- fact_comments invents none. Versions of a comment differ in nothing. Returns the comments that differ,
-- of all or of those that were touched.

with

raw_users as (

    select distinct user_id
    from {{ source('raw_data', 'users') }}

),

expected as (

    select
        comments.comment_key,
        comments.comment_key::uuid as comment_sk,
        {{ surrogate_key('comments.post_id') }} as post_sk,
        comments.comment_timestamp,
        length(comments.comment_text) as characters,
        raw_users.user_id is not null as is_by_user
    from {{ source('raw_data', 'comments') }} as comments
    {{ join_touched('comments.comment_key', 'comment', 'id', when=var('touched_only')) }}
    left join raw_users on comments.comment_user_id = raw_users.user_id

),

facts as (

    select
        comments.comment_sk,
        comments.post_sk,
        comments.comment_timestamp,
        comments.date_day,
        length(comments.comment_text) as characters,
        comments.comment_user_sk is not null as is_by_user
    from {{ ref('fact_comments') }} as comments
    {{ join_touched('comments.comment_sk', 'comment', when=var('touched_only')) }}

),

final as (

    select
        expected.comment_key as raw_comment_key,
        facts.comment_sk as fact_comment_sk
    from expected
    full outer join facts on expected.comment_sk = facts.comment_sk
    where
        expected.comment_key is null
        or facts.comment_sk is null
        or expected.post_sk <> facts.post_sk
        or expected.comment_timestamp is distinct from facts.comment_timestamp
        or expected.comment_timestamp::date is distinct from facts.date_day
        or expected.characters <> facts.characters
        or expected.is_by_user <> facts.is_by_user

)

select * from final
