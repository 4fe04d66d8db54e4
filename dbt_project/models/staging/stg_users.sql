-- Without a CTE, PostgreSQL can join this view before it searches for later versions.
select
    users.user_id,
    users.batch,
    {{ last_known('username', 'users') }} as username,
    {{ last_known('email', 'users') }} as email,
    {{ last_known('name', 'users') }} as name,
    {{ last_known_age('age', 'users') }} as age,
    {{ last_known_age('age_imputed', 'users') }} as age_imputed,
    {{ last_known('gender', 'users') }} as gender,
    {{ last_known('date_created', 'users') }} as date_created,
    users.platform,
    {{ last_known('location', 'users') }} as location,
    {{ last_known('followers', 'users') }} as followers
from {{ source('raw_data', 'users') }} as users
where not {{ has_later_version(source('raw_data', 'users'), 'user_id', 'users', of_platform=true) }}
