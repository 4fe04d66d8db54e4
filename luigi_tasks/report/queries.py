"""The report's queries. Each limits its rows, however large the warehouse; all times are UTC, as the session is."""

from spark_jobs.schemas import ENTITY_TABLES, POST_MEASURES, REACTIONS

TOP = 50
"""Rows of a table on the page."""
TOP_TAGS = 12
"""Tags in the chart over time: as many as can be told apart."""
LAST_RUNS = 20
LAST_REMARKS = 50
PERIODS = 400
"""Points of a chart over time: a year of days, and what a screen can show."""
UNITS = ("day", "week", "month", "year", "century")
"""Units of time of the charts, smallest first; the first with no more than PERIODS of them is used."""
MAX_FETCHED = 1_000
"""Characters of a long text that are fetched: more than are shown after blanks are joined."""

TOTALS = ("total_likes", "total_love", "total_wow", "total_haha", "total_sad", "total_angry", "total_other_reactions")
"""The columns of the reactions in the marts: in the order of REACTIONS, then all other reactions."""
SUM_OF_REACTIONS = " + ".join(TOTALS)
REACTIONS_OF_A_POST = f"""
case when coalesce({", ".join(TOTALS)}) is not null then {" + ".join(f"coalesce({name}, 0)" for name in TOTALS)} end
"""
"""The same of a post, whose format may lack some: null if it lacks all."""
COVERAGE = "round(100 * comment_coverage, 1) as coverage"
"""Comments collected, in percent of those that the platform reports; null if it reports none."""
NATIVE = "native"
"""The platform of the native format in marts."""
MINUTE_FORMAT = "'YYYY-MM-DD HH24:MI'"

WHOLE_TABLES = "set local jit = off; set local work_mem = '64MB'; set local random_page_cost = 4"
"""Planner settings: most queries read whole tables, so index scans and JIT compilation do not pay."""

BUILT_FROM = """
select target_table, md5(string_agg((to_jsonb(marker) - 'inserted')::text, ' ' order by batch collate "C"))
from etl.table_updates as marker where target_table in ('marts', 'etl.ledger') group by target_table
"""
FIGURES = f"""
with people as (
    select count(*) as users, count(*) filter (where total_posts > 0) as authors
    from marts_personal.user_engagement_mart
),
posted as (
    select
        coalesce(sum(total_posts), 0) as posts,
        coalesce(sum(total_comments), 0) as comments,
        coalesce(sum({SUM_OF_REACTIONS}), 0) as reactions,
        coalesce(sum(total_shares), 0) as shares,
        coalesce(sum(total_engagement), 0) as engagement
    from marts_personal.location_analysis_mart
),
days as (
    select min(date_day)::text as first_day, max(date_day)::text as last_day from marts_personal.daily_engagement_mart
),
updates as (
    select
        to_char(max(inserted) filter (where starts_with(target_table, 'raw_data.')), {MINUTE_FORMAT}) as loaded,
        to_char(max(inserted) filter (where target_table = 'marts'), {MINUTE_FORMAT}) as published,
        to_char(now(), {MINUTE_FORMAT}) as written
    from etl.table_updates
)
select
    *,
    round(posts / nullif(users, 0), 2) as posts_per_user,
    round(comments / nullif(users, 0), 2) as comments_per_user,
    round(engagement / nullif(users, 0), 2) as engagement_per_user
from people, posted, days, updates
"""
TIMELINE = f"""
select
    to_char(date_trunc(%(unit)s, date_day::timestamp), 'YYYY-MM-DD') as start,
    sum(posts) as posts,
    sum(comments) as comments,
    sum({SUM_OF_REACTIONS}) as reactions
from marts_personal.daily_engagement_mart group by 1 order by 1 limit {PERIODS + 1}
"""
POSTS_BY_HOUR = """
select extract(isodow from post_timestamp)::int, extract(hour from post_timestamp)::int, count(*)
from marts_personal.content_performance_mart where post_timestamp is not null group by 1, 2
"""
COMMENTS_BY_HOUR = """
select extract(isodow from comment_timestamp)::int, extract(hour from comment_timestamp)::int, count(*)
from core.fact_comments where comment_timestamp is not null group by 1, 2
"""
REACTION_MIX = f"""
select {
    ", ".join(f"coalesce(sum({total}), 0) as {name}" for total, name in zip(TOTALS, (*REACTIONS, "other"), strict=True))
}
from marts_personal.location_analysis_mart
"""
TAGS_OVER_TIME = f"""
with used as (
    select tag, row_number() over (order by sum(total_posts_with_tag) desc, tag collate "C") as place
    from marts_personal.tag_analysis_mart group by tag order by place limit {TOP_TAGS}
)
select
    place, tag, to_char(date_trunc(%(unit)s, date_day::timestamp), 'YYYY-MM-DD') as start, count(*) as posts
from core.dim_tags
inner join core.bridge_post_tags using (tag_sk)
inner join core.fact_post_interactions using (post_sk)
inner join used using (tag)
where date_day is not null and tag in (select tag from used) group by 1, 2, 3 order by 1, 3
"""
PLATFORMS = f"""
with known as (
    select
        platform, bool_or(coalesce({", ".join(TOTALS)}) is not null) as has_reactions,
        bool_or(total_shares is not null) as has_shares
    from marts_personal.content_performance_mart
    where (select bool_or(platform <> '{NATIVE}') from marts_personal.platform_mart)
    group by platform
)
select
    platform, total_engagement as engagement, total_posts as posts, active_authors as authors, comments,
    case when has_reactions then {SUM_OF_REACTIONS} end as reactions,
    case when has_shares then total_shares end as shares,
    reported_comments as reported, {COVERAGE}, total_views as views, engagement_rate_by_views as per_view
from marts_personal.platform_mart left join known using (platform)
order by total_engagement desc, platform collate "C" limit {TOP}
"""
"""The mart adds reactions and shares that a format lacks up to 0: posts tell whether it has them. They are read only
where there is another platform than the native one."""
TOP_POSTS = f"""
select
    rank() over (order by engagement desc) as place, engagement, post_text, platform, author, day, location, tags,
    reactions, shares, comments, coverage, commenters, views, post_id
from (
    select
        post_id, left(post_text, {MAX_FETCHED}) as post_text, platform, left(username, {MAX_FETCHED}) as author,
        post_timestamp::date::text as day, location, left(tags, {MAX_FETCHED}) as tags,
        {REACTIONS_OF_A_POST} as reactions, total_shares as shares, total_comments as comments, {COVERAGE},
        total_users_interacted as commenters, total_views as views, total_engagement as engagement
    from marts_personal.content_performance_mart
    order by total_engagement desc, post_id collate "C", platform limit {TOP}
) as first_ones
order by engagement desc, post_id collate "C", platform
"""
TOP_USERS = f"""
select
    rank() over (order by engagement desc) as place, engagement, username, platform, posts, reactions, shares, comments,
    coverage, comments_made, followers, user_id
from (
    select
        user_id, left(username, {MAX_FETCHED}) as username, platform, total_posts as posts,
        {SUM_OF_REACTIONS} as reactions, total_shares as shares, total_comments as comments, {COVERAGE}, comments_made,
        followers, total_engagement as engagement
    from marts_personal.user_engagement_mart order by total_engagement desc, user_id collate "C", platform limit {TOP}
) as first_ones
order by engagement desc, user_id collate "C", platform
"""
TOP_TAGS_BY_ENGAGEMENT = f"""
select
    tag, sum(total_posts_with_tag) as posts, sum({SUM_OF_REACTIONS}) as reactions, sum(total_shares) as shares,
    sum(total_comments) as comments, sum(total_engagement) as engagement,
    round(sum(total_engagement) / sum(total_posts_with_tag), 2) as per_post
from marts_personal.tag_analysis_mart group by tag order by engagement desc, tag collate "C" limit {TOP}
"""
TOP_LOCATIONS = f"""
select
    location, sum(total_posts) as posts, sum(total_users_in_location) as authors, sum({SUM_OF_REACTIONS}) as reactions,
    sum(total_shares) as shares, sum(total_comments) as comments, sum(total_engagement) as engagement
from marts_personal.location_analysis_mart where total_posts > 0
group by location order by engagement desc, location collate "C" limit {TOP}
"""
LEDGER = f"""
select
    entity, measure, sum(read) as read, sum(accepted) as accepted, sum(rejected) as rejected,
    sum(duplicate) as duplicate, sum(skipped) as skipped
from etl.ledger where verdict = 'passed' and not starts_with(measure, 'skipped.') group by entity, measure
order by
    array_position(array{["document", *ENTITY_TABLES]}, entity),
    array_position(array{["records", *POST_MEASURES]}, measure)
"""
SKIPPED = f"""
select substr(measure, length('skipped.') + 1) as reason, entity, sum(skipped) as records
from etl.ledger where verdict = 'passed' and starts_with(measure, 'skipped.')
group by measure, entity order by records desc, reason, entity limit {TOP}
"""
STOPPED = f"""
select batch from etl.table_updates
where target_table = 'etl.ledger' and batch not in (select batch from etl.ledger where verdict = 'passed')
order by batch collate "C" limit {TOP}
"""
REJECTIONS = f"""
select rule, entity, count(*) as records from raw_data.rejected cross join unnest(rules) as rule
group by rule, entity order by records desc, rule, entity limit {TOP}
"""
ISSUES = f"""
select rule, entity, field, count(*) as fields from raw_data.issues
group by rule, entity, field order by fields desc, rule, entity, field limit {TOP}
"""
RUNS = f"""
with last_runs as (select * from etl.runs order by started_at desc limit {LAST_RUNS})
select
    run_id, to_char(last_runs.started_at, {MINUTE_FORMAT}) as started, last_runs.outcome,
    split_part(stage, ' ', 1) as stage, round(sum(seconds)::numeric, 2) as seconds
from last_runs left join etl.stages using (run_id)
group by run_id, last_runs.started_at, last_runs.outcome, split_part(stage, ' ', 1)
order by last_runs.started_at, min(stages.started_at)
"""
REMARKS = f"""
select to_char(started_at, {MINUTE_FORMAT}) as started, kind, remark from etl.remarks inner join etl.runs using (run_id)
order by started_at desc, kind, subject limit {LAST_REMARKS}
"""
