"""What is unusual about a run: stages, batches and days that are out of what is usual for themselves.

Each is compared with its own history, and nothing is said while that is short.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, paths
from luigi_tasks.runs.journal import DONE, Entry

LAST_RUNS = 20
FEWEST_RUNS = 5
TIMES_AS_LONG, SECONDS_LONGER = 2, 2
"""A stage is slow that takes so many times its median, and so many seconds longer."""

LAST_BATCHES = 30
FEWEST_BATCHES = 8
FEWEST_REJECTED = 10
SHARE_MORE = 0.01
"""So much more of a batch than usual has to be rejected at least."""

LAST_DAYS = 14
LAST_WEEKS = 26
FEWEST_WEEKS = 6
FEWEST_A_DAY = 10
"""Of days with fewer, one is like the other."""
DEVIATIONS = 4
LEAST_DEVIATION = 0.1
"""Of the median: days that hardly differ from each other do not make an ordinary one a surprise."""

MAD_TO_DEVIATION = 1.4826
"""The standard deviation is so many times the median absolute deviation, where values are normally distributed."""


@dataclass(frozen=True)
class Remark:
    """One thing that is unusual: its kind, what it is about, and a sentence."""

    kind: str
    subject: str
    text: str


def look(cursor: Cursor, run: str, stages: Sequence[Entry]) -> list[Remark]:
    """All that is unusual about a run, by its stages, which are on record."""
    audited = [batch for stage in stages if stage.stage == "Audit" for batch in stage.batches]
    published = any(stage.stage == "Publish" and stage.outcome == DONE for stage in stages)
    return [
        *slow_stages(cursor, run, stages),
        *rejecting_batches(cursor, audited),
        *drifted_batches(audited),
        *(strange_days(cursor) if published else ()),
        *no_new_data(cursor, config.read(config.notify).stale_hours),
    ]


def no_new_data(cursor: Cursor, stale_hours: float) -> Iterator[Remark]:
    """That nothing was loaded for so many hours; 0 means that this is never unusual."""
    if not stale_hours:
        return
    cursor.execute(
        "select extract(epoch from now() - max(started_at + make_interval(secs => seconds))) / 3600 "
        "from etl.stages where starts_with(stage, 'Load ') and outcome = %s",
        (DONE,),
    )
    (hours,) = cursor.fetchone()
    if hours is not None and hours > stale_hours:
        yield Remark("no new data", "", f"nothing was loaded for {hours:,.1f} hours; {stale_hours:g} are allowed")


def usual_seconds(cursor: Cursor, run: str, stage: Entry) -> float | None:
    """The median of the seconds that a stage took in the last runs with about as many rows to do (half to twice); None
    where there were too few."""
    cursor.execute(
        "select count(*), percentile_cont(0.5) within group (order by seconds) from ("
        "  select seconds from etl.stages where stage = %(stage)s and outcome = %(done)s and run_id <> %(run)s"
        "  and started_at < to_timestamp(%(started)s)"
        "  and (rows is null or %(rows)s is null or rows between %(rows)s / 2.0 and %(rows)s * 2)"
        "  order by started_at desc limit %(last)s) as lasting",
        {
            "stage": stage.stage,
            "done": DONE,
            "run": run,
            "started": stage.started,
            "rows": stage.rows,
            "last": LAST_RUNS,
        },
    )
    runs, median = cursor.fetchone()
    return median if runs >= FEWEST_RUNS else None


def slow_stages(cursor: Cursor, run: str, stages: Sequence[Entry]) -> Iterator[Remark]:
    """Stages that took more than twice as long as usual."""
    for stage in stages:
        usual = usual_seconds(cursor, run, stage) if stage.outcome == DONE else None
        if usual is not None and stage.seconds > max(usual * TIMES_AS_LONG, usual + SECONDS_LONGER):
            text = f"{stage.title} took {stage.seconds:,.1f} s; {usual:,.1f} s are usual for as many rows"
            yield Remark("slow stage", stage.stage, text)


def rejecting_batches(cursor: Cursor, audited: Sequence[str]) -> Iterator[Remark]:
    """Batches of which more was rejected than of those before them."""
    for batch in audited:
        cursor.execute(
            "with shares as ("
            "  select batch, sum(rejected) as rejected, sum(rejected) / nullif(sum(read), 0) as share"
            "  from etl.ledger where measure = 'records' group by batch"
            "), before as ("
            '  select share from shares where batch collate "C" < %(batch)s and share is not null'
            '  order by batch collate "C" desc limit %(last)s'
            "), middle as (select percentile_cont(0.5) within group (order by share) as share from before) "
            "select (select rejected from shares where batch = %(batch)s), "
            "(select share from shares where batch = %(batch)s), (select share from middle), "
            "percentile_cont(0.5) within group (order by abs(before.share::float8 - middle.share)), count(*) "
            "from before cross join middle",
            {"batch": batch, "last": LAST_BATCHES},
        )
        rejected, share, usual, deviation, batches = cursor.fetchone()
        if batches < FEWEST_BATCHES or (rejected or 0) < FEWEST_REJECTED:
            continue
        if share > usual + max(DEVIATIONS * MAD_TO_DEVIATION * deviation, SHARE_MORE):
            text = f"batch {batch}: {rejected:,} records, {share:.1%}, were rejected; {usual:.1%} are usual"
            yield Remark("many rejects", batch, text)


def drifted_batches(audited: Sequence[str]) -> Iterator[Remark]:
    """Batches with fields that nobody announced and that no other batch has had."""
    if not audited:
        return
    drift = {path.parent.name: _drift(path) for path in paths.checkpoints().glob(f"audit/*/{paths.LEDGER}")}
    for batch in audited:
        own = drift.get(paths.folder_name(batch), set())
        elsewhere = set().union(*(fields for name, fields in drift.items() if name != paths.folder_name(batch)))
        if new := sorted(own - elsewhere):
            yield Remark("drift", batch, f"batch {batch}: fields nobody announced: {', '.join(new)}")


def _drift(ledger: Path) -> set[str]:
    return set(json.loads(ledger.read_text(encoding="utf-8"))["drift"])


def strange_days(cursor: Cursor) -> Iterator[Remark]:
    """Of the last two weeks, days that are over (in UTC) and changed since they were looked at last, whose posts or
    reactions are out of the usual range of their weekday."""
    cursor.execute(DAYS, {"days": LAST_DAYS, "weeks": LAST_WEEKS})
    for day, what, found, usual, deviation, weeks in cursor.fetchall():
        range_ = DEVIATIONS * max(MAD_TO_DEVIATION * deviation, LEAST_DEVIATION * usual, 1)
        if weeks >= FEWEST_WEEKS and usual >= FEWEST_A_DAY and abs(found - usual) > range_:
            text = f"{day:%A} {day}: {found:,} {what}; {usual:,.0f} are usual on that weekday"
            yield Remark("strange day", str(day), text)
    cursor.execute(LOOKED_AT, {"days": LAST_DAYS})


MEASURED = """
    select
        date_day, posts, total_likes + total_love + total_wow + total_haha + total_sad + total_angry as reactions
    from marts.daily_engagement_mart
    where date_day < (now() at time zone 'UTC')::date
"""
DAYS = f"""
with measured as ({MEASURED}),
last_days as (
    select measured.* from measured
    left join etl.days_looked_at as before using (date_day)
    where
        date_day > (select max(date_day) from measured) - %(days)s
        and (measured.posts, measured.reactions) is distinct from (before.posts, before.reactions)
),
pairs as (
    select last_days.date_day, what, found, value
    from last_days
    inner join measured as earlier
        on earlier.date_day < last_days.date_day
        and earlier.date_day >= last_days.date_day - 7 * %(weeks)s
        and extract(dow from earlier.date_day) = extract(dow from last_days.date_day)
    cross join lateral (
        values ('posts', last_days.posts, earlier.posts), ('reactions', last_days.reactions, earlier.reactions)
    ) as both_of (what, found, value)
),
middles as (
    select date_day, what, found, percentile_cont(0.5) within group (order by value) as usual
    from pairs group by date_day, what, found
)
select
    date_day, what, found, usual, percentile_cont(0.5) within group (order by abs(value - usual)), count(*)
from pairs inner join middles using (date_day, what, found)
group by date_day, what, found, usual
order by date_day, what
"""
LOOKED_AT = f"""
with measured as ({MEASURED})
insert into etl.days_looked_at
select * from measured where date_day > (select max(date_day) from measured) - %(days)s
on conflict (date_day) do update set posts = excluded.posts, reactions = excluded.reactions
"""
