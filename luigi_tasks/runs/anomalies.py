"""Finds what is unusual about a run: slow stages, rejected records, shrunk batches, new fields, strange days.

Stages, batches and days are compared with their own history; while that is short, nothing is reported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config
from luigi_tasks.runs.journal import DONE, StageRecord
from luigi_tasks.targets import checkpoint
from luigi_tasks.targets.stored_checkpoints import share_listings
from luigi_tasks.texts import count, format_names
from luigi_tasks.warehouse import set_aside

LAST_RUNS = 20
"""Runs in a stage's history: recent enough for today's amount of data."""
FEWEST_RUNS = 5
"""Runs that a median of a stage needs at least."""
SLOW_FACTOR = 2
"""A stage is slow if it took more than this many times its median ..."""
SLOW_SECONDS = 2
"""... and this many seconds more, so that short stages are not reported for their jitter."""

LAST_BATCHES = 30
"""Batches in the history of rejected shares: about a month of daily exports."""
FEWEST_BATCHES = 8
"""Batches that a median of rejected shares needs at least."""
FEWEST_EARLIER = 3
"""Earlier batches of a source that tell which paths usually have a value, at least."""
FEWEST_REJECTED = 10
"""Records: fewer are not worth a message, whatever their share."""
LEAST_SHARE_ABOVE_USUAL = 0.01
"""Share of a batch's records, for histories without variation."""

LAST_DAYS = 14
"""Days that are checked: later data still changes them."""
LAST_WEEKS = 26
"""Weeks in the history of a weekday: long enough for a median, short enough to leave last year's level out."""
FEWEST_WEEKS = 6
"""Weeks that a median of a weekday needs at least."""
FEWEST_PER_DAY = 10
"""Posts or reactions: days with fewer vary too much to compare."""
DEVIATIONS = 4
"""Standard deviations from the median that are still usual: many, since few values estimate them roughly."""
LEAST_DEVIATION = 0.1
"""Share of the median that counts as a deviation at least, for days that hardly differ."""
MAD_TO_DEVIATION = 1.4826
"""Standard deviation of normally distributed values, in median absolute deviations."""


@dataclass(frozen=True)
class Anomaly:
    """Something unusual: its kind, the stage, batch or day that it is about (may be empty), and a sentence."""

    kind: str
    subject: str
    text: str


@share_listings()
def find_anomalies(cursor: Cursor, run: str, stages: Sequence[StageRecord]) -> list[Anomaly]:
    """Return all anomalies of a run; its `stages` are in etl.stages already."""
    audited = [batch for stage in stages if stage.stage == "Audit" for batch in stage.batches]
    extracted = [batch for stage in stages if stage.stage == "Extract" for batch in stage.batches]
    published = any(stage.stage == "Publish" and stage.outcome == DONE for stage in stages)
    return [
        *find_slow_stages(cursor, run, stages),
        *find_rejecting_batches(cursor, audited),
        *find_shrunk_batches(cursor),
        *find_drifted_batches(audited),
        *find_lost_paths(extracted),
        *find_unknown_files(extracted),
        *(find_strange_days(cursor) if published else ()),
        *find_stale_data(cursor, config.read_section(config.notify).stale_hours),
        *find_set_aside(cursor),
    ]


def find_set_aside(cursor: Cursor) -> Iterator[Anomaly]:
    """Yield what others made on relations of ours and could not be made again after these were replaced."""
    for pending in set_aside.list_pending(cursor):
        text = (
            f"{pending.title} of {pending.owner} is set aside since {pending.since:%Y-%m-%d %H:%M}: {pending.reason}; "
            "etl.set_aside has its SQL"
        )
        yield Anomaly("set aside", pending.title, text)


def find_stale_data(cursor: Cursor, stale_hours: float) -> Iterator[Anomaly]:
    """Yield an anomaly if the last load is more than `stale_hours` ago; 0 allows any time."""
    if not stale_hours:
        return
    cursor.execute(
        "select extract(epoch from now() - max(started_at + make_interval(secs => seconds))) / 3600 "
        "from etl.stages where starts_with(stage, 'Load ') and outcome = %s and started_at <= now()",
        (DONE,),
    )
    (hours,) = cursor.fetchone()
    if hours is not None and hours > stale_hours:
        yield Anomaly("no new data", "", f"nothing was loaded for {hours:,.1f} hours; {stale_hours:g} are allowed")


def find_usual_seconds(cursor: Cursor, run: str, stage: StageRecord) -> float | None:
    """Return the median seconds of a stage's last runs before this one, or None if there are too few.

    Only runs with half to twice as many rows count.
    """
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


def find_slow_stages(cursor: Cursor, run: str, stages: Sequence[StageRecord]) -> Iterator[Anomaly]:
    """Yield the stages that took much longer than usual."""
    for stage in stages:
        usual = find_usual_seconds(cursor, run, stage) if stage.outcome == DONE else None
        if usual is not None and stage.seconds > max(usual * SLOW_FACTOR, usual + SLOW_SECONDS):
            text = f"{stage.title} took {stage.seconds:,.1f} s; {usual:,.1f} s are usual for as many rows"
            yield Anomaly("slow stage", stage.stage, text)


def find_rejecting_batches(cursor: Cursor, audited: Sequence[str]) -> Iterator[Anomaly]:
    """Yield the batches with a higher share of rejected records than the batches before them."""
    for batch in audited:
        cursor.execute(REJECTED_SHARES, {"batch": batch, "last": LAST_BATCHES})
        rejected, share, usual, deviation, batches = cursor.fetchone()
        if batches < FEWEST_BATCHES or (rejected or 0) < FEWEST_REJECTED:
            continue
        if share > usual + max(DEVIATIONS * MAD_TO_DEVIATION * deviation, LEAST_SHARE_ABOVE_USUAL):
            text = f"batch {batch}: {rejected:,} records, {share:.1%}, were rejected; {usual:.1%} are usual"
            yield Anomaly("many rejects", batch, text)


def find_shrunk_batches(cursor: Cursor) -> Iterator[Anomaly]:
    """Yield the batches that have half the records or fewer that they had before, of any entity.

    All batches are looked at, also those of a run that was killed; their numbers are kept in etl.batches_looked_at.
    """
    cursor.execute(SHRUNK_BATCHES)
    for batch, entities in groupby(cursor.fetchall(), key=itemgetter(0)):
        lost = ", ".join(f"{count(now, entity)} of {before:,}" for _, entity, now, before in entities)
        text = f"batch {batch}: shrank to {lost}; if it should not have, put the earlier export back and run again"
        yield Anomaly("shrunk batch", batch, text)
    cursor.execute(REMEMBER_BATCHES)


def find_drifted_batches(audited: Sequence[str]) -> Iterator[Anomaly]:
    """Yield the batches with unknown fields that no other batch has."""
    if not audited:
        return
    drift = {batch: set(ledger.drift) for batch, ledger in checkpoint.read_all_ledgers().items()}
    for batch in audited:
        elsewhere = set().union(*(fields for name, fields in drift.items() if name != batch))
        new = sorted(drift.get(batch, set()) - elsewhere)
        if new:
            yield Anomaly("drift", batch, f"batch {batch}: unknown fields: {format_names(new)}")


def find_lost_paths(extracted: Sequence[str]) -> Iterator[Anomaly]:
    """Yield the batches without a value at a path of their source that most earlier ones have: formats change without
    notice."""
    own = [checkpoint.extract_checkpoint(batch).read_manifest() for batch in extracted]
    if not any(manifest and manifest.found for manifest in own):
        return  # the native export has no paths
    manifests = {manifest.batch: manifest.found for manifest in checkpoint.read_extract_manifests()}
    for batch in extracted:
        for source, found in manifests.get(batch, {}).items():
            earlier = [manifests[each].get(source, {}) for each in sorted(manifests) if each < batch]
            lost = [path for path, times in found.items() if not times and _is_usual(path, earlier)]
            if lost:
                text = (
                    f"batch {batch}: of source {source}, nothing is at {format_names(lost)}, unlike in earlier batches"
                )
                yield Anomaly("drift", batch, text)


def find_unknown_files(extracted: Sequence[str]) -> Iterator[Anomaly]:
    """Yield the batches with archives in which files are of no source, and were left alone."""
    for batch in extracted:
        manifest = checkpoint.extract_checkpoint(batch).read_manifest()
        if manifest and manifest.unknown_files:
            names = format_names(manifest.unknown_files)
            text = f"batch {batch}: files in archives are of no source, and left alone: {names}"
            yield Anomaly("unknown file", batch, text)


def _is_usual(path: str, batches: Sequence[Mapping[str, int]]) -> bool:
    """Whether most of the last batches that could have a value at a path have one."""
    counts = [found[path] for found in batches if path in found][-LAST_BATCHES:]
    return len(counts) >= FEWEST_EARLIER and 2 * sum(count > 0 for count in counts) > len(counts)


def find_strange_days(cursor: Cursor) -> Iterator[Anomaly]:
    """Yield recent days whose posts or reactions are out of the usual range of their weekday.

    A day counts once it is over (UTC), and again only if its numbers change: they are kept in etl.days_looked_at.
    """
    cursor.execute(RECENT_DAYS, {"days": LAST_DAYS, "weeks": LAST_WEEKS})
    for day, what, found, usual, deviation, weeks in cursor.fetchall():
        tolerance = DEVIATIONS * max(MAD_TO_DEVIATION * deviation, LEAST_DEVIATION * usual, 1)
        if weeks >= FEWEST_WEEKS and usual >= FEWEST_PER_DAY and abs(found - usual) > tolerance:
            text = f"{day:%A} {day}: {found:,} {what}; {usual:,.0f} are usual on that weekday"
            yield Anomaly("strange day", str(day), text)
    cursor.execute(REMEMBER_DAYS, {"days": LAST_DAYS})


REJECTED_SHARES = """
with shares as (
    select batch, sum(rejected) as rejected, sum(rejected) / nullif(sum(read), 0) as share
    from etl.ledger where measure = 'records' group by batch
),
before as (
    select share from shares where batch collate "C" < %(batch)s and share is not null
    order by batch collate "C" desc limit %(last)s
),
middle as (select percentile_cont(0.5) within group (order by share) as share from before)
select
    (select rejected from shares where batch = %(batch)s),
    (select share from shares where batch = %(batch)s),
    (select share from middle),
    percentile_cont(0.5) within group (order by abs(before.share::float8 - middle.share)),
    count(*)
from before cross join middle
"""
"""The rejected records of a batch, their share, and of the batches before it the median share, its median absolute
deviation and their number."""
SHRUNK_BATCHES = """
select batch, entity, now.accepted, before.accepted
from etl.ledger as now
inner join etl.batches_looked_at as before using (batch, entity)
where
    measure = 'records' and verdict = 'passed' and entity in ('user', 'post', 'comment')
    and before.accepted > 0 and now.accepted <= before.accepted / 2
order by batch collate "C", entity desc
"""
"""The batches and entities with half the accepted records or fewer: how many there are, and were before."""
REMEMBER_BATCHES = """
insert into etl.batches_looked_at (batch, entity, accepted)
select batch, entity, now.accepted
from etl.ledger as now
left join etl.batches_looked_at as before using (batch, entity)
where measure = 'records' and verdict = 'passed' and now.accepted is distinct from before.accepted
on conflict (batch, entity) do update set accepted = excluded.accepted
"""
MEASURED_DAYS = """
    select
        date_day,
        sum(posts)::bigint as posts,
        sum(total_likes + total_love + total_wow + total_haha + total_sad + total_angry)::bigint as reactions
    from marts.daily_engagement_mart
    where date_day < (now() at time zone 'UTC')::date
    group by date_day
"""
RECENT_DAYS = f"""
with measured as ({MEASURED_DAYS}),
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
"""By day and measure: the value, and of its weekday in the weeks before the median, the median absolute deviation and
the number of weeks."""
REMEMBER_DAYS = f"""
with measured as ({MEASURED_DAYS})
insert into etl.days_looked_at
select * from measured where date_day > (select max(date_day) from measured) - %(days)s
on conflict (date_day) do update set posts = excluded.posts, reactions = excluded.reactions
"""
