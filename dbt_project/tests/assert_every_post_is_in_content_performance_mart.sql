-- No post of any batch is missing from the mart, and the mart invents none.

select
    posts.post_id as raw_post_id,
    mart.post_id as mart_post_id
from {{ source('raw_data', 'posts') }} as posts
full outer join {{ ref('content_performance_mart') }} as mart on posts.post_id = mart.post_id
where posts.post_id is null or mart.post_id is null
