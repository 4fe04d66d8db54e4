{#- Compares raw_data as it is now with core as the last run left it: the source previous_build.
    Every row is found by its key, so the cost follows the number of changed keys. The planner would read whole tables:
    it expects a union to keep all the rows of its parts. That is why hash and merge joins are off. -#}
{{
    config(
        pre_hook="set local enable_hashjoin = off; set local enable_mergejoin = off",
        post_hook="analyze {{ this }}",
    )
}}

{% if not execute or is_incremental() %}
with

replaced_keys as (

    select * from {{ source('etl', 'replaced_keys') }}
    where in_work

),

-- users whose records changed
changed_users as (

    select
        users.user_id as id,
        users.platform
    from {{ source('raw_data', 'users') }} as users
    where users.batch collate "C" in {{ changed_batches('users') }}  -- noqa: RF03
    union
    select
        replaced_keys.id,
        replaced_keys.platform
    from replaced_keys
    where replaced_keys.table_name = 'users'

),

-- posts whose records changed
changed_posts as (

    select
        posts.post_id as id,
        posts.platform
    from {{ source('raw_data', 'posts') }} as posts
    where posts.batch collate "C" in {{ changed_batches('posts') }}  -- noqa: RF03
    union
    select
        replaced_keys.id,
        replaced_keys.platform
    from replaced_keys
    where replaced_keys.table_name = 'posts'

),

-- users who are known only as authors, or may now be
possible_authors as (

    select
        posts.user_id as id,
        posts.platform
    from changed_posts
    inner join {{ ref('stg_posts') }} as posts
        on changed_posts.id = posts.post_id and {{ is_same_platform('changed_posts', 'posts') }}
    where posts.stands_alone and posts.user_id is not null
    union
    select
        users.user_id as id,
        users.platform
    from changed_posts
    inner join {{ source('previous_build', 'dim_posts') }} as posts
        on {{ surrogate_key('changed_posts.id', 'changed_posts.platform') }} = posts.post_sk
    inner join {{ source('previous_build', 'dim_users') }} as users on posts.user_sk = users.user_sk
    where users.is_inferred

),

possible_users as (

    select
        changed_users.id,
        changed_users.platform
    from changed_users
    union
    select
        possible_authors.id,
        possible_authors.platform
    from possible_authors

),

-- users whose comments gain or lose a known commenter
users_who_come_or_go as (

    select
        possible_users.id,
        possible_users.platform
    from possible_users
    where
        exists (
            select 1 from {{ source('previous_build', 'dim_users') }} as known
            where {{ surrogate_key('possible_users.id', 'possible_users.platform') }} = known.user_sk
        )
        <> (
            exists (
                select 1 from {{ ref('stg_users') }} as users
                where possible_users.id = users.user_id and {{ is_same_platform('possible_users', 'users') }}
            )
            or exists (
                select 1 from {{ ref('stg_posts') }} as posts
                where
                    posts.stands_alone
                    and possible_users.id = posts.user_id
                    and {{ is_same_platform('possible_users', 'posts') }}
            )
        )

),

touched_users as (

    select
        changed_users.id,
        changed_users.platform
    from changed_users
    union
    select
        users_who_come_or_go.id,
        users_who_come_or_go.platform
    from users_who_come_or_go

),

touched_comments as (

    select comments.comment_key as sk
    from {{ source('raw_data', 'comments') }} as comments
    where comments.batch collate "C" in {{ changed_batches('comments') }}  -- noqa: RF03
    union
    select replaced_keys.id::uuid as sk from replaced_keys
    where replaced_keys.table_name = 'comments'
    union
    select comments.comment_sk as sk
    from {{ source('previous_build', 'fact_comments') }} as comments
    inner join users_who_come_or_go
        on
            comments.comment_user_id = users_who_come_or_go.id
            and {{ is_same_platform('comments', 'users_who_come_or_go') }}

),

comments_before as (

    select comments.*
    from touched_comments
    inner join {{ source('previous_build', 'fact_comments') }} as comments
        on touched_comments.sk = comments.comment_sk

),

comments_after as (

    select comments.*
    from touched_comments
    inner join {{ ref('stg_comments') }} as comments on touched_comments.sk = comments.comment_key

),

touched_posts as (

    select
        changed_posts.id,
        changed_posts.platform
    from changed_posts
    union
    select
        comments_after.post_id as id,
        comments_after.platform
    from comments_after
    union
    select
        posts.post_id as id,
        posts.platform
    from comments_before
    inner join {{ source('previous_build', 'dim_posts') }} as posts
        on comments_before.post_sk = posts.post_sk
    union
    -- posts whose author may have a new name
    select
        posts.post_id as id,
        posts.platform
    from changed_users
    inner join {{ source('previous_build', 'fact_post_interactions') }} as interactions
        on {{ surrogate_key('changed_users.id', 'changed_users.platform') }} = interactions.user_sk
    inner join {{ source('previous_build', 'dim_posts') }} as posts
        on interactions.post_sk = posts.post_sk

),

posts_before as (

    select posts.*
    from touched_posts
    inner join {{ source('previous_build', 'dim_posts') }} as posts
        on {{ surrogate_key('touched_posts.id', 'touched_posts.platform') }} = posts.post_sk

),

posts_after as (

    select posts.*
    from touched_posts
    inner join {{ ref('stg_posts') }} as posts
        on touched_posts.id = posts.post_id and {{ is_same_platform('touched_posts', 'posts') }}

),

-- users who posted something, received or wrote a comment
engaged_users as (

    select {{ surrogate_key('touched_users.id', 'touched_users.platform') }} as sk from touched_users
    union
    select posts_before.user_sk as sk from posts_before
    union
    select {{ surrogate_key('posts_after.user_id', 'posts_after.platform') }} as sk from posts_after
    union
    select comments_before.comment_user_sk as sk from comments_before
    union
    select {{ surrogate_key('comments_after.comment_user_id', 'comments_after.platform') }} as sk
    from comments_after

),

touched_tags as (

    select {{ surrogate_key('unnested.tag') }} as sk
    from posts_after
    cross join lateral unnest(posts_after.tags) as unnested (tag)
    union
    select post_tags.tag_sk as sk
    from posts_before
    inner join {{ source('previous_build', 'bridge_post_tags') }} as post_tags
        on posts_before.post_sk = post_tags.post_sk

),

touched_locations as (

    select posts_before.location_sk as sk from posts_before
    union
    select {{ location_key('posts_after.location') }} as sk from posts_after

),

touched_days as (

    select posts_before.date_day as day from posts_before
    union
    select posts_after.date_day as day from posts_after
    union
    select comments_before.date_day as day from comments_before
    union
    select comments_after.date_day as day from comments_after

),

final as (

    select
        'batch' as kind,
        changed_batches.batch as id,
        null::uuid as sk,
        null::date as day,
        null::text as platform
    from {{ source('etl', 'changed_batches') }} as changed_batches
    where changed_batches.in_work
    union all
    select
        'user' as kind,
        touched_users.id,
        {{ surrogate_key('touched_users.id', 'touched_users.platform') }} as sk,
        null as day,
        touched_users.platform
    from touched_users
    union all
    select
        'post' as kind,
        touched_posts.id,
        {{ surrogate_key('touched_posts.id', 'touched_posts.platform') }} as sk,
        null as day,
        touched_posts.platform
    from touched_posts
    union all
    select
        'comment' as kind,
        null as id,
        touched_comments.sk,
        null as day,
        null as platform
    from touched_comments
    union all
    select
        'engaged user' as kind,
        null as id,
        engaged_users.sk,
        null as day,
        null as platform
    from engaged_users
    where engaged_users.sk is not null
    union all
    select
        'tag' as kind,
        null as id,
        touched_tags.sk,
        null as day,
        null as platform
    from touched_tags
    union all
    select
        'location' as kind,
        null as id,
        touched_locations.sk,
        null as day,
        null as platform
    from touched_locations
    union all
    select
        'day' as kind,
        null as id,
        null as sk,
        touched_days.day,
        null as platform
    from touched_days
    where touched_days.day is not null

)

select * from final
{% else %}
select
    'everything' as kind,
    null::text as id,
    null::uuid as sk,
    null::date as day,
    null::text as platform
{% endif %}
