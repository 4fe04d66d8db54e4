-- dim_users has every user of every batch once, as the last batch has it or, if the var partial_users is
-- fill_in, with the last known value of each field, and no others but authors without a profile, which
-- another test checks. Checks all users, or only touched ones. Returns the days of sign-up that differ: the
-- numbers of users, and digests of their columns.

with

current_users as (

    {% if var('partial_users') == 'fill_in' -%}
    {{ last_known_users() }}
    {%- else -%}
    {{ current_rows('users', 'user_id', 'user') }}
    {%- endif %}

),

expected as (

    select
        users.date_created::date as date_day,
        count(*) as users,
        bit_xor(hash_record_extended(row(
            {{ surrogate_key('users.user_id', 'users.platform') }},
            users.user_id,
            users.username,
            users.email,
            users.name,
            users.age,
            users.age_imputed,
            users.gender,
            users.date_created,
            users.platform,
            users.location,
            users.followers
        ), 0)) as digest
    from current_users as users
    group by users.date_created::date

),

found as (

    select
        users.date_created::date as date_day,
        count(*) as users,
        bit_xor(hash_record_extended(row(
            users.user_sk,
            users.user_id,
            users.username,
            users.email,
            users.name,
            users.age,
            users.age_imputed,
            users.gender,
            users.date_created,
            users.platform,
            users.location,
            users.followers
        ), 0)) as digest
    from {{ ref('dim_users') }} as users
    {{ join_touched('users.user_sk', 'user', when=var('touched_only')) }}
    where not users.is_inferred
    group by users.date_created::date

),

final as (

    select
        coalesce(expected.date_day, found.date_day) as date_day,
        expected.users as raw_users,
        found.users as dim_users,
        expected.digest as raw_digest,
        found.digest as dim_digest
    from expected
    full outer join found
        on coalesce(expected.date_day, 'infinity') = coalesce(found.date_day, 'infinity')
    where
        expected.users is distinct from found.users
        or expected.digest is distinct from found.digest

)

select * from final
