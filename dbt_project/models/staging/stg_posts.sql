-- Without a CTE, PostgreSQL can join this view before it searches for later versions.
select
    posts.post_id,
    posts.user_id,
    posts.batch,
    posts.post_text,
    posts.location,
    posts.post_timestamp,
    posts.post_timestamp::date as date_day,
    posts.shares,
    posts.likes,
    posts.love,
    posts.wow,
    posts.haha,
    posts.sad,
    posts.angry,
    posts.tags
from {{ source('raw_data', 'posts') }} as posts
where not {{ has_later_version(source('raw_data', 'posts'), 'post_id', 'posts') }}
