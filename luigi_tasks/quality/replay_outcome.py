"""What became of rejected records that were replayed: came back, still rejected, or gone."""

from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse

SHARED = ("entity, digest", "file, entity, rules", "file, entity")
"""What a record that was rejected before shares with one that is now, for both to be the same: the closest first."""

PARENTS_FIRST = ("document", "post", "comment")
PLACE = "batch, file, position, post_index, comment_index"

COUNTS = ("before", "came_back", "still_rejected", "gone")


def remember(cursor: Cursor, batches: Sequence[str]) -> None:
    """Note the rejected records of batches, and how many records of each entity there are; not of a batch of which
    they are noted already. `cursor` is one of quarantine.opened()."""
    cursor.execute(
        "insert into etl.replayed_records "
        "select r.batch, r.file, r.position, r.post_index, r.comment_index, r.entity, r.rules, "
        "md5(coalesce(r.raw, ''))::uuid, l.read from quarantine as r left join etl.ledger as l "
        "on l.batch = r.batch and l.entity = r.entity and l.measure = 'records' "
        "where r.batch = any(%s) and r.batch not in (select batch from etl.replayed_records)",
        (list(batches),),
    )


def compare(cursor: Cursor, batches: Sequence[str], replay_id: str) -> None:
    """Write into etl.replays what became of the remembered records of batches, and forget them.

    `cursor` is one of quarantine.opened(); its rowcount is then that of the forgotten records.
    """
    cursor.execute(
        f"create temp table rejected_before on commit drop as select {PLACE}, entity, rules, digest, read, "
        "row_number() over () as id, false as still, false as gone from etl.replayed_records "
        "where batch = any(%(batches)s); "
        f"create temp table rejected_now on commit drop as select {PLACE}, entity, rules, "
        "md5(coalesce(raw, ''))::uuid as digest, row_number() over () as id from quarantine "
        "where batch = any(%(batches)s); analyze rejected_before; analyze rejected_now",
        {"batches": list(batches)},
    )
    for shared in SHARED:
        _mark_still_rejected(cursor, shared)
    for entity in PARENTS_FIRST:
        _mark_gone(cursor, entity)
    cursor.execute(
        "insert into etl.replays select %s, batch, rule, entity, count(*), "
        "count(*) filter (where not still and not gone), count(*) filter (where still), count(*) filter (where gone) "
        "from rejected_before cross join unnest(rules) as rule group by batch, rule, entity",
        (replay_id,),
    )
    cursor.execute("delete from etl.replayed_records where batch = any(%s)", (list(batches),))


def _mark_still_rejected(cursor: Cursor, shared: str) -> None:
    """Pair the records of before and of now that share these columns, as many as there are of both."""
    numbered = f"row_number() over (partition by batch, {shared} order by {PLACE}) as number"
    cursor.execute(
        f"with before as (select *, {numbered} from rejected_before where not still), "
        f"now as (select *, {numbered} from rejected_now), "
        "same as (select before.id as before_id, now.id as now_id from before "
        f"join now using (batch, {shared}, number)), "
        "taken as (delete from rejected_now where id in (select now_id from same)) "
        "update rejected_before set still = true where id in (select before_id from same)"
    )


def _mark_gone(cursor: Cursor, entity: str) -> None:
    """Of those that are no longer rejected, as many as the batch holds fewer; those of a document with something gone
    first."""
    cursor.execute(
        "with numbered as (select id, batch, entity, read, row_number() over (partition by batch order by "
        "(batch, file, position) in (select batch, file, position from rejected_before where gone) desc, "
        f"{PLACE}) as number from rejected_before where entity = %s and not still) "
        "update rejected_before set gone = true where id in (select n.id from numbered as n join etl.ledger as l "
        "on l.batch = n.batch and l.entity = n.entity and l.measure = 'records' where n.number <= n.read - l.read)",
        (entity,),
    )


def lines(replay_id: str) -> list[dict[str, Any]]:
    """What a replay, named by its run, left in etl.replays: a line a batch, rule and entity."""
    columns = ("batch", "rule", "entity", *COUNTS)
    with warehouse.transaction() as cursor:
        cursor.execute(
            f"select {', '.join(columns)} from etl.replays where replay_id = %s order by batch, rule, entity",
            (replay_id,),
        )
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """A line for each rule and entity, over all batches; a record that had broken two rules counts in two."""
    totals: dict[tuple[str, str], dict[str, int]] = {}
    for line in found:
        sums = totals.setdefault((line["rule"], line["entity"]), dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            sums[name] += line[name]
    return "\n".join(
        f"  {rule} {entity}: {sums['before']:,} rejected before = {sums['came_back']:,} came back + "
        f"{sums['still_rejected']:,} still rejected + {sums['gone']:,} gone"
        for (rule, entity), sums in totals.items()
    )
