-- fact_post_interactions counts as many comments per post as fact_comments has rows (of all posts, or only
-- of touched ones), user_engagement_mart counts all comments by known users, and platform_mart all
-- comments. A post that is in no batch has comments, but no row of facts. Returns what differs.

with

comments as not materialized (

    select * from {{ ref('fact_comments') }}

),

of_posts as (

    select
        comments.post_sk,
        count(*) as comments
    from comments
    {{ join_touched('comments.post_sk', 'post', when=var('touched_only')) }}
    group by comments.post_sk

),

posts as (

    select posts.* from {{ ref('fact_post_interactions') }} as posts
    {{ join_touched('posts.post_sk', 'post', when=var('touched_only')) }}

),

by_users as (

    select
        count(comments.comment_user_sk) as comments,
        count(*) as all_comments
    from comments

),

made_by_users as (

    select coalesce(sum(users.comments_made), 0) as comments
    from {{ ref('user_engagement_mart') }} as users

),

of_platforms as (

    select coalesce(sum(platforms.comments), 0) as comments
    from {{ ref('platform_mart') }} as platforms

),

missing_posts as (

    select * from {{ ref('dim_posts') }}
    where is_inferred

),

final as (

    select
        'post ' || coalesce(of_posts.post_sk, posts.post_sk) as counted,
        of_posts.comments as expected,
        posts.comments as found
    from of_posts
    full outer join posts on of_posts.post_sk = posts.post_sk
    where
        coalesce(of_posts.comments, 0) is distinct from posts.comments
        and not exists (
            select 1 from missing_posts
            where of_posts.post_sk = missing_posts.post_sk
        )
    union all
    select
        'by users' as counted,
        by_users.comments as expected,
        made_by_users.comments as found
    from by_users
    cross join made_by_users
    where by_users.comments <> made_by_users.comments
    union all
    select
        'of platforms' as counted,
        by_users.all_comments as expected,
        of_platforms.comments as found
    from by_users
    cross join of_platforms
    where by_users.all_comments <> of_platforms.comments

)

select * from final
