-- Inferred are exactly the posts that are in no batch and have a current comment, and the authors of current
-- posts of whom no batch has a profile. Found in another way than in core, by sorting versions. Returns the
-- members that are on one side only.

with

comments as (

    select distinct on (comments.comment_key)
        comments.post_id,
        comments.platform
    from {{ source('raw_data', 'comments') }} as comments
    where {{ stands_alone('comments') }}
    order by comments.comment_key, comments.batch collate "C" desc  -- noqa: RF03

),

-- also those that stand in a document: a later version can be there
posts as (

    select distinct on (versions.post_id, versions.platform)
        versions.user_id,
        versions.platform,
        {{ stands_alone('versions') }} as stands_alone
    from {{ source('raw_data', 'posts') }} as versions
    where
        exists (
            select 1 from {{ source('raw_data', 'posts') }} as alone
            where
                {{ stands_alone('alone') }}
                and versions.post_id = alone.post_id
                and {{ is_same_platform('versions', 'alone') }}
        )
    order by versions.post_id, versions.platform, versions.batch collate "C" desc  -- noqa: RF03

),

expected as (

    select distinct {{ surrogate_key('comments.post_id', 'comments.platform') }} as sk
    from comments
    where
        not exists (
            select 1 from {{ source('raw_data', 'posts') }} as known
            where comments.post_id = known.post_id and {{ is_same_platform('comments', 'known') }}
        )
    union all
    select distinct {{ surrogate_key('posts.user_id', 'posts.platform') }} as sk
    from posts
    where
        posts.stands_alone
        and posts.user_id is not null
        and not exists (
            select 1 from {{ source('raw_data', 'users') }} as known
            where posts.user_id = known.user_id and {{ is_same_platform('posts', 'known') }}
        )

),

found as (

    select posts.post_sk as sk
    from {{ ref('dim_posts') }} as posts
    where posts.is_inferred
    union all
    select users.user_sk as sk
    from {{ ref('dim_users') }} as users
    where users.is_inferred

),

final as (

    select
        expected.sk as expected_sk,
        found.sk as found_sk
    from expected
    full outer join found on expected.sk = found.sk
    where expected.sk is null or found.sk is null

)

select * from final
