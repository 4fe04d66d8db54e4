with

comments as (

    select * from {{ source('raw_data', 'comments') }}

),

final as (

    select
        comments.comment_key,
        comments.post_id,
        comments.comment_user_id,
        comments.batch,
        comments.comment_text,
        comments.comment_timestamp,
        comments.comment_timestamp::date as date_day
    from comments
    where not {{ has_later_version(source('raw_data', 'comments'), 'comment_key', 'comments') }}

)

select * from final
