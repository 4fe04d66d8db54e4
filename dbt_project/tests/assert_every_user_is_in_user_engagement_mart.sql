-- No user of any batch is missing from the mart, and the mart invents none.

select
    users.user_id as raw_user_id,
    mart.user_id as mart_user_id
from {{ source('raw_data', 'users') }} as users
full outer join {{ ref('user_engagement_mart') }} as mart on users.user_id = mart.user_id
where users.user_id is null or mart.user_id is null
