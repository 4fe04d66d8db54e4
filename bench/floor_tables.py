"""The tables of the floor: the types of a document, and the queries that fill raw_data, facts and marts."""

from collections.abc import Sequence
from dataclasses import dataclass

DOCUMENT = {
    "user_id": "varchar",
    "username": "varchar",
    "email": "varchar",
    "name": "varchar",
    "age": "integer",
    "gender": "varchar",
    "date_created": "varchar",
    "posts": """struct(
        post_id varchar, post_text varchar, location varchar, "timestamp" varchar, shares bigint, tags varchar[],
        reactions struct("like" bigint, love bigint, wow bigint, haha bigint, sad bigint, angry bigint),
        comments struct(user_id varchar, comment varchar, "timestamp" varchar)[]
    )[]""",
}
"""The fields of a document and their types in DuckDB."""


@dataclass(frozen=True)
class RawTable:
    """A table of raw_data: its columns in PostgreSQL, and the query in DuckDB whose rows fill it."""

    columns: str
    query: str


RAW = {
    "users": RawTable(
        "user_id text, username text, email text, name text, age integer, gender text, date_created timestamp",
        "select user_id, username, email, name, age, gender, date_created from documents",
    ),
    "posts": RawTable(
        """post_id text, user_id text, post_text text, location text, post_timestamp timestamp, shares bigint,
        likes bigint, love bigint, wow bigint, haha bigint, sad bigint, angry bigint, tags text[]""",
        """select
            post.post_id, user_id, post.post_text, post.location, post.timestamp, coalesce(post.shares, 0),
            coalesce(post.reactions."like", 0), coalesce(post.reactions.love, 0), coalesce(post.reactions.wow, 0),
            coalesce(post.reactions.haha, 0), coalesce(post.reactions.sad, 0), coalesce(post.reactions.angry, 0),
            '{' || array_to_string(list_transform(post.tags, lambda tag: '"' || tag || '"'), ',') || '}'
        from (select user_id, unnest(posts) as post from documents)""",
    ),
    "comments": RawTable(
        "post_id text, comment_user_id text, comment_text text, comment_timestamp timestamp",
        """select post_id, comment.user_id, comment.comment, comment.timestamp
        from (
            select post.post_id, unnest(post.comments) as comment
            from (select unnest(posts) as post from documents)
        )""",
    ),
}

POST_MEASURES = ("likes", "love", "wow", "haha", "sad", "angry", "shares")
MEASURES = (*POST_MEASURES, "comments")


def _format_sums(measures: Sequence[str]) -> str:
    return ", ".join(f"sum({name})::bigint as total_{name}" for name in measures)


def _format_totals(measures: Sequence[str]) -> str:
    return ", ".join(f"coalesce(total_{name}, 0) as total_{name}" for name in measures)


ENGAGEMENT = " + ".join(f"total_{name}" for name in MEASURES)
RANKED = f"{ENGAGEMENT} as total_engagement, rank() over (order by {ENGAGEMENT} desc) as engagement_rank"

FACTS = {
    "core.fact_post_interactions": """
        select
            post_id, user_id, coalesce(location, 'Unknown Location') as location, post_timestamp::date as date_day,
            shares, likes, love, wow, haha, sad, angry, coalesce(comments, 0) as comments
        from raw_data.posts
        left join (select post_id, count(*) as comments from raw_data.comments group by post_id) as counted
            using (post_id)""",
    "core.fact_comments": """
        select
            post_id, users.user_id as known_user_id, comment_user_id, comment_text, comment_timestamp,
            comment_timestamp::date as date_day
        from raw_data.comments
        left join raw_data.users on comment_user_id = users.user_id""",
}

MARTS = {
    "marts.user_engagement_mart": f"""
        with
        received as (
            select user_id, count(*) as total_posts, {_format_sums(MEASURES)}
            from core.fact_post_interactions group by user_id
        ),
        made as (
            select known_user_id as user_id, count(*) as comments_made
            from core.fact_comments where known_user_id is not null group by known_user_id
        ),
        totals as (
            select
                user_id, username, coalesce(total_posts, 0) as total_posts, {_format_totals(MEASURES)},
                coalesce(comments_made, 0) as comments_made
            from raw_data.users left join received using (user_id) left join made using (user_id)
        )
        select *, {RANKED}
        from totals""",
    "marts.content_performance_mart": f"""
        with
        commenters as (
            select post_id, count(*) as total_users_interacted
            from (
                select post_id, comment_user_id from core.fact_comments
                where comment_user_id is not null group by post_id, comment_user_id
            ) as once
            group by post_id
        ),
        totals as (
            select post_id, location, {", ".join(f"{name} as total_{name}" for name in MEASURES)}
            from core.fact_post_interactions
        ),
        ranked as (
            select *, {RANKED}
            from totals
        )
        select
            ranked.*, user_id, username, post_text, post_timestamp, nullif(array_to_string(tags, ', '), '') as tags,
            coalesce(total_users_interacted, 0) as total_users_interacted
        from raw_data.posts
        inner join ranked using (post_id)
        left join raw_data.users using (user_id)
        left join commenters using (post_id)""",
    "marts.tag_analysis_mart": f"""
        with
        totals as (
            select tag, count(*) as total_posts_with_tag, {_format_sums(MEASURES)}
            from (select post_id, unnest(tags) as tag from raw_data.posts) as tagged
            inner join core.fact_post_interactions using (post_id)
            group by tag
        )
        select
            *, {ENGAGEMENT} as total_engagement,
            round(total_likes::numeric / total_posts_with_tag, 4) as avg_likes_per_post,
            round(({ENGAGEMENT})::numeric / total_posts_with_tag, 4) as avg_engagement_per_post
        from totals""",
    "marts.location_analysis_mart": f"""
        with
        totals as (
            select
                location, count(*) as total_posts, {_format_sums(MEASURES)},
                count(distinct user_id) as total_users_in_location
            from core.fact_post_interactions group by location
        )
        select *, {ENGAGEMENT} as total_engagement from totals""",
    "marts.daily_engagement_mart": f"""
        with
        of_posts as (
            select date_day, count(*) as posts, {_format_sums(POST_MEASURES)}, count(distinct user_id) as active_authors
            from core.fact_post_interactions group by date_day
        ),
        of_comments as (
            select date_day, sum(made)::bigint as comments, count(comment_user_id) as active_commenters
            from (
                select date_day, comment_user_id, count(*) as made
                from core.fact_comments group by date_day, comment_user_id
            ) as once
            group by date_day
        )
        select
            date_day, coalesce(posts, 0) as posts, coalesce(comments, 0) as comments, {_format_totals(POST_MEASURES)},
            coalesce(active_authors, 0) as active_authors, coalesce(active_commenters, 0) as active_commenters
        from of_posts full join of_comments using (date_day)""",
}
