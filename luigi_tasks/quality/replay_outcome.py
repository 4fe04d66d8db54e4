"""The outcome of a replay for each rejected record: came back, still rejected, or gone."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse
from luigi_tasks.quality.quarantine import Quarantine, open_work_table

MATCHES = ("entity, digest", "file, entity, rules", "file, entity")
"""Columns that a record rejected before and one rejected now share if they are the same record: closest match first."""

PARENTS_FIRST = ("document", "post", "comment")
"""Entities in the order in which gone records are marked: with a document go its posts and comments."""
PLACE = "batch, file, position, post_index, comment_index"
"""Columns that say where a record stands in the landing files."""
BEFORE = (
    f"select {PLACE}, entity, rules, digest, read, row_number() over () as id, false as still, false as gone "
    "from etl.replayed_records"
)
NOW = (
    f"select {PLACE}, entity, rules, md5(coalesce(raw, ''))::uuid as digest, row_number() over () as id "
    "from {records} as records"
)
"""The records rejected before and now, which are compared."""


@dataclass(frozen=True)
class ReplayOutcome:
    """The outcome of the records of a batch and entity that broke a rule before: before = the sum of the others."""

    batch: str
    rule: str
    entity: str
    before: int
    came_back: int
    still_rejected: int
    gone: int


def remember_rejected(quarantine: Quarantine, batches: Sequence[str]) -> None:
    """Keep the rejected records of batches in etl.replayed_records, with the batch's number of records of each entity.

    Batches that are there already stay as they are.
    """
    quarantine.cursor.execute(
        "insert into etl.replayed_records "
        "select r.batch, r.file, r.position, r.post_index, r.comment_index, r.entity, r.rules, "
        f"md5(coalesce(r.raw, ''))::uuid, l.read from {quarantine.records} as r left join etl.ledger as l "
        "on l.batch = r.batch and l.entity = r.entity and l.measure = 'records' "
        "where r.batch = any(%s) and r.batch not in (select batch from etl.replayed_records)",
        (list(batches),),
    )


def compare_rejected(quarantine: Quarantine, batches: Sequence[str], replay_id: str) -> int:
    """Write the outcome of the remembered records of batches to etl.replays, and forget them; returns their number."""
    cursor = quarantine.cursor
    with (
        open_work_table(cursor, "rejected_before", f"as {BEFORE} with no data") as before,
        open_work_table(cursor, "rejected_now", f"as {NOW.format(records=quarantine.records)} with no data") as now,
    ):
        chosen = {"batches": list(batches)}
        cursor.execute(f"insert into {before} {BEFORE} where batch = any(%(batches)s)", chosen)
        cursor.execute(
            f"insert into {now} {NOW.format(records=quarantine.records)} where batch = any(%(batches)s)", chosen
        )
        cursor.execute(f"analyze {before}; analyze {now}")
        for columns in MATCHES:
            _mark_still_rejected(cursor, before, now, columns)
        for entity in PARENTS_FIRST:
            _mark_gone(cursor, before, entity)
        cursor.execute(
            "insert into etl.replays select %s, batch, rule, entity, count(*), "
            "count(*) filter (where not still and not gone), count(*) filter (where still), "
            f"count(*) filter (where gone) from {before} cross join unnest(rules) as rule group by batch, rule, entity",
            (replay_id,),
        )
    cursor.execute("delete from etl.replayed_records where batch = any(%s)", (list(batches),))
    return cursor.rowcount


def _mark_still_rejected(cursor: Cursor, before: str, now: str, columns: str) -> None:
    """Pair records rejected before and now that share these columns, one to one."""
    numbered = f"row_number() over (partition by batch, {columns} order by {PLACE}) as number"
    cursor.execute(
        f"with before as (select *, {numbered} from {before} where not still), "
        f"now as (select *, {numbered} from {now}), "
        "same as (select before.id as before_id, now.id as now_id from before "
        f"join now using (batch, {columns}, number)), "
        f"taken as (delete from {now} where id in (select now_id from same)) "
        f"update {before} set still = true where id in (select before_id from same)"
    )


def _mark_gone(cursor: Cursor, before: str, entity: str) -> None:
    """Mark records as gone: as many as the batch now has fewer records of the entity.

    Only records that are no longer rejected count; those of a document with another gone record come first.
    """
    cursor.execute(
        "with numbered as (select id, batch, entity, read, row_number() over (partition by batch order by "
        f"(batch, file, position) in (select batch, file, position from {before} where gone) desc, "
        f"{PLACE}) as number from {before} where entity = %s and not still) "
        f"update {before} set gone = true where id in (select n.id from numbered as n join etl.ledger as l "
        "on l.batch = n.batch and l.entity = n.entity and l.measure = 'records' where n.number <= n.read - l.read)",
        (entity,),
    )


def read_outcomes(replay_id: str) -> list[ReplayOutcome]:
    """Return the outcomes of a replay, named by its run id, by batch, rule and entity."""
    with warehouse.transaction() as cursor:
        cursor.execute(
            "select batch, rule, entity, before, came_back, still_rejected, gone from etl.replays "
            "where replay_id = %s order by batch, rule, entity",
            (replay_id,),
        )
        return [ReplayOutcome(*row) for row in cursor.fetchall()]


def format_outcomes(outcomes: Iterable[ReplayOutcome]) -> str:
    """Return a line for each rule and entity, over all batches; a record that broke two rules is in two lines."""
    totals: dict[tuple[str, str], list[int]] = {}
    for outcome in outcomes:
        _, rule, entity, *counts = astuple(outcome)
        sums = totals.setdefault((rule, entity), [0] * len(counts))
        totals[rule, entity] = [total + count for total, count in zip(sums, counts, strict=True)]
    return "\n".join(
        f"  {rule} {entity}: {before:,} rejected before = {came_back:,} came back + "
        f"{still_rejected:,} still rejected + {gone:,} gone"
        for (rule, entity), (before, came_back, still_rejected, gone) in totals.items()
    )
