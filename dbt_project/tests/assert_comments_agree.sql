-- fact_comments has every comment of every batch once, as it was loaded and with its known commenter, and no
-- others. Checks all comments, or only touched ones. Returns the days that differ: the numbers of comments,
-- and digests of their columns.

with

-- those of raw_data, and the authors without a profile that another test checks
known_users as (

    select {{ key_on_platform('users.user_id', 'users.platform') }} as user_key
    from {{ source('raw_data', 'users') }} as users
    union
    select {{ key_on_platform('users.user_id', 'users.platform') }} as user_key
    from {{ ref('dim_users') }} as users
    where users.is_inferred

),

current_comments as (

    {{ current_rows('comments', 'comment_key', 'comment', 'sk') }}

),

expected as (

    select
        comments.comment_timestamp::date as date_day,
        count(*) as comments,
        bit_xor(hash_record_extended(row(
            comments.comment_key,
            {{ surrogate_key('comments.post_id', 'comments.platform') }},
            comments.comment_user_id,
            {{ surrogate_key('known_users.user_key') }},
            comments.comment_text,
            comments.comment_timestamp,
            comments.platform,
            comments.comment_id,
            comments.parent_comment_id,
            comments.author_name,
            comments.likes,
            comments.score
        ), 0)) as digest
    from current_comments as comments
    left join known_users
        on {{ key_on_platform('comments.comment_user_id', 'comments.platform') }} = known_users.user_key
    group by comments.comment_timestamp::date

),

found as (

    select
        comments.date_day,
        count(*) as comments,
        bit_xor(hash_record_extended(row(
            comments.comment_sk,
            comments.post_sk,
            comments.comment_user_id,
            comments.comment_user_sk,
            comments.comment_text,
            comments.comment_timestamp,
            comments.platform,
            comments.comment_id,
            comments.parent_comment_id,
            comments.author_name,
            comments.likes,
            comments.score
        ), 0)) as digest
    from {{ ref('fact_comments') }} as comments
    {{ join_touched('comments.comment_sk', 'comment', when=var('touched_only')) }}
    group by comments.date_day

),

final as (

    select
        coalesce(expected.date_day, found.date_day) as date_day,
        expected.comments as raw_comments,
        found.comments as fact_comments,
        expected.digest as raw_digest,
        found.digest as fact_digest
    from expected
    full outer join found
        on coalesce(expected.date_day, 'infinity') = coalesce(found.date_day, 'infinity')
    where
        expected.comments is distinct from found.comments
        or expected.digest is distinct from found.digest

)

select * from final
