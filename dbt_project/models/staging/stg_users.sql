-- Without a CTE, PostgreSQL can join this view before it searches for later versions.
select
    users.user_id,
    users.batch,
    users.username,
    users.email,
    users.name,
    users.age,
    users.age_imputed,
    users.gender,
    users.date_created
from {{ source('raw_data', 'users') }} as users
where not {{ has_later_version(source('raw_data', 'users'), 'user_id', 'users') }}
