-- Without a CTE, PostgreSQL can join this view before it searches for later versions.
select
    comments.comment_key,
    comments.post_id,
    comments.comment_user_id,
    comments.batch,
    comments.comment_text,
    comments.comment_timestamp,
    comments.comment_timestamp::date as date_day,
    comments.platform,
    comments.comment_id,
    comments.parent_comment_id,
    comments.author_name,
    comments.likes,
    comments.score,
    {{ stands_alone('comments') }} as stands_alone
from {{ source('raw_data', 'comments') }} as comments
where not {{ has_later_version(source('raw_data', 'comments'), 'comment_key', 'comments') }}
