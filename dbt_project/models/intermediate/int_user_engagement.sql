{{
    config(
        meta={"touched": {"column": "user_sk", "kind": "engaged user"}, "read_by": ["user_id"]},
        post_hook=[
            "{{ index_for_updates(ref('fact_comments'), 'comment_user_id') }}",
            "{{ index_for_updates(ref('fact_post_interactions'), 'user_sk') }}",
        ],
        indexes=[{"columns": ["user_sk"], "unique": true}]
    )
}}

with

users as (

    select users.* from {{ ref('dim_users') }} as users
    {{ join_touched('users.user_sk', 'engaged user') }}

),

posts as (

    select posts.* from {{ ref('fact_post_interactions') }} as posts
    {{ join_touched('posts.user_sk', 'engaged user') }}

),

comments as (

    select comments.* from {{ ref('fact_comments') }} as comments
    {% if is_incremental() -%}
    inner join users
        on comments.comment_user_id = users.user_id and {{ is_same_platform('comments', 'users') }}
    {%- endif %}

),

posts_by_user as (

    select
        posts.user_sk,
        count(*) as total_posts,
        {{ sum_totals('posts', measures() + other_measures()) }},
        {{ sum_bases('posts') }}
    from posts
    group by posts.user_sk

),

comments_by_commenter as (

    select
        comments.comment_user_sk,
        count(*) as comments_made
    from comments
    where comments.comment_user_sk is not null
    group by comments.comment_user_sk

),

totals as (

    select
        users.user_sk,
        users.user_id,
        users.username,
        coalesce(posts_by_user.total_posts, 0) as total_posts,
        {{ totals_or_zero('posts_by_user', native_measures()) }},
        coalesce(comments_by_commenter.comments_made, 0) as comments_made,
        {{ platform_name('users.platform') }} as platform,
        {{ totals_or_zero('posts_by_user', ['other_reactions']) }},
        {{ totals('posts_by_user', other_measures()) }},
        posts_by_user.covered_comments,
        posts_by_user.viewed_engagement,
        users.followers,
        users.is_inferred
    from users
    left join posts_by_user on users.user_sk = posts_by_user.user_sk
    left join comments_by_commenter on users.user_sk = comments_by_commenter.comment_user_sk

),

final as (

    select
        totals.*,
        {{ total_engagement() }} as total_engagement
    from totals

)

select * from final
