-- Comments are the same, one by one, in the raw rows that are current and in fact_comments; and as
-- many are made by known users in fact_comments as in user_engagement_mart.

with

raw_comments as (

    {{ current_rows('comments', 'comment_key') }}

),

raw_users as (

    select distinct user_id
    from {{ source('raw_data', 'users') }}

),

expected as (

    select
        count(*) as comments,
        count(raw_users.user_id) as comments_by_users,
        coalesce(sum(length(raw_comments.comment_text)), 0) as characters
    from raw_comments
    left join raw_users on raw_comments.comment_user_id = raw_users.user_id

),

facts as (

    select
        count(*) as comments,
        count(comment_user_sk) as comments_by_users,
        coalesce(sum(length(comment_text)), 0) as characters
    from {{ ref('fact_comments') }}

),

mart as (

    select coalesce(sum(comments_made), 0) as comments_by_users
    from {{ ref('user_engagement_mart') }}

),

final as (

    select
        expected.comments as raw_comments,
        facts.comments as fact_comments,
        expected.comments_by_users as raw_comments_by_users,
        facts.comments_by_users as fact_comments_by_users,
        mart.comments_by_users as mart_comments_by_users,
        expected.characters as raw_characters,
        facts.characters as fact_characters
    from expected
    cross join facts
    cross join mart
    where
        expected.comments is distinct from facts.comments
        or expected.comments_by_users is distinct from facts.comments_by_users
        or expected.comments_by_users is distinct from mart.comments_by_users
        or expected.characters is distinct from facts.characters

)

select * from final
