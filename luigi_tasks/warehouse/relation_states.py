"""Relation states: what the pipeline's tables and views are like since it last wrote them, in etl.relations.

Each transaction that creates or changes one of them records that here, dbt's models by a post-hook. The columns, the
file and the server's own counters of changed rows then tell, by one query of the catalogue, what somebody else dropped,
replaced, truncated, altered or wrote to. The counters include rows of transactions that were rolled back, and a crash
of the server sets them to zero: a difference is a reason to compare the rows, not proof that they are wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from luigi_tasks import texts
from luigi_tasks.warehouse.schema_names import (
    CANDIDATES,
    CORE,
    ETL,
    INTERMEDIATE,
    MARTS,
    MARTS_PERSONAL,
    OPEN,
    PUBLISHED,
    STAGING,
)

LEDGER = f"{ETL}.ledger"
CHANGED_BATCHES = f"{ETL}.changed_batches"
QUEUES = (CHANGED_BATCHES, f"{ETL}.replaced_keys", f"{STAGING}.touched_keys")
"""Tables of which a lost row would be work that is never done. What others insert into them only adds work."""
FUNCTIONS = (
    "etl.digest_query",
    "etl.describe_relation",
    "etl.remember_relations",
    "etl.count_changes",
    "etl.append_audit",
)
BUILT_BY_DBT = (STAGING, CORE, INTERMEDIATE, CANDIDATES)
PUBLISHED_SCHEMAS = (PUBLISHED, MARTS, MARTS_PERSONAL, OPEN)

FIRST_WITH_FLUSH = 150_000
"""The version of the server (15) since which a session can have its counters added to the server's at once."""


@dataclass(frozen=True)
class Change:
    """A relation that is not as the pipeline left it.

    `reason` says in words what is different. `is_lost` where it was dropped or altered; else its rows may still be
    those that the pipeline wrote. `only_wider` where it was altered by nothing but additional columns.
    """

    relation: str
    reason: str
    is_lost: bool
    only_wider: bool = False

    @property
    def schema(self) -> str:
        return self.relation.split(".")[0]


def remember(cursor: Cursor, relations: Iterable[str]) -> None:
    """Record relations that the transaction of `cursor` created, replaced or truncated."""
    cursor.execute("select etl.remember_relations(%s)", (list(relations),))
    _flush_counters(cursor)


def remember_new(cursor: Cursor, relations: Iterable[str]) -> None:
    """Record those of the relations that nothing is recorded of yet."""
    cursor.execute("select name from etl.relations")
    known = {name for (name,) in cursor.fetchall()}
    remember(cursor, [name for name in relations if name not in known])


def count_changes(cursor: Cursor, *relations: str) -> None:
    """Record what the transaction of `cursor` inserted, updated and deleted, as its last act."""
    for relation in relations:
        cursor.execute("select etl.count_changes(%s)", (relation,))
    _flush_counters(cursor)


def _flush_counters(cursor: Cursor) -> None:
    """Have the counters added to the server's when the transaction ends: what a session has not added yet would count
    as part of its next transaction, too."""
    if cursor.connection.server_version >= FIRST_WITH_FLUSH:
        cursor.execute("select pg_stat_force_next_flush()")


def settle(cursor: Cursor, relations: Iterable[str]) -> None:
    """Record relations as they are: their rows were compared, after `find_changes` had read the counters."""
    cursor.execute(
        "update etl.relations set relation = now.relation, filenode = now.filenode, shape = now.shape, "
        "inserted = now.inserted, updated = now.updated, deleted = now.deleted, suspicion = '', verified_at = now() "
        f"from ({STATES_NOW}) as now where now.name = relations.name and now.name = any(%s) "
        "and now.relation is not null",
        (list(relations),),
    )


def forget(cursor: Cursor, schemas: Iterable[str], gone_only: bool = False) -> None:
    """Record nothing of the relations of these schemas any more, or only of those that are gone."""
    cursor.execute(
        "delete from etl.relations where split_part(name, '.', 1) = any(%s) and (to_regclass(name) is null or not %s)",
        (list(schemas), gone_only),
    )


def accept_shapes(cursor: Cursor, schemas: Iterable[str]) -> None:
    """Record what relations that were just built are like with all that others had put on those before them."""
    cursor.execute(
        "update etl.relations set shape = etl.describe_relation(relation) where split_part(name, '.', 1) = any(%s) "
        "and to_regclass(name) = relation",
        (list(schemas),),
    )


def suspect(cursor: Cursor, changes: Iterable[Change]) -> None:
    """Have the stage that builds these relations compare or rebuild them: its target is stale until it has."""
    for change in changes:
        cursor.execute("update etl.relations set suspicion = %s where name = %s", (change.reason, change.relation))


def list_suspicions(cursor: Cursor, schemas: Iterable[str]) -> dict[str, str]:
    """Why relations of these schemas are suspected, by their names."""
    cursor.execute(
        "select name, suspicion from etl.relations where suspicion <> '' and split_part(name, '.', 1) = any(%s) "
        "order by name",
        (list(schemas),),
    )
    return dict(cursor.fetchall())


STATES_NOW = """
    select
        known.name, found.oid as relation, coalesce(pg_relation_filenode(found.oid), 0) as filenode,
        etl.describe_relation(found.oid) as shape, pg_stat_get_tuples_inserted(found.oid) as inserted,
        pg_stat_get_tuples_updated(found.oid) as updated, pg_stat_get_tuples_deleted(found.oid) as deleted
    from etl.relations as known left join pg_class as found on found.oid = to_regclass(known.name)
"""
"""The relations that are remembered, and what they are like now."""


def find_changes(cursor: Cursor, verify_days: float = 0, everything: bool = False) -> list[Change]:
    """The relations that are not as the pipeline left them, by one query of the catalogue.

    Also those whose rows were not compared for `verify_days` days (0: any time will do), or `everything`.
    """
    cursor.execute(COMPARED_STATES)
    changes = [_find_change(_ComparedState(*row), verify_days, everything) for row in cursor.fetchall()]
    cursor.execute(UNRECORDED)
    unrecorded = [Change(name, NOTHING_RECORDED, is_lost=False) for (name,) in cursor.fetchall()]
    return [*(change for change in changes if change), *unrecorded]


def has_lost_all(cursor: Cursor) -> bool:
    """Whether something was loaded, and yet no state of any relation can be recorded."""
    cursor.execute("select to_regclass('etl.table_updates') is not null and to_regclass('etl.relations') is null")
    return cursor.fetchone() == (True,)


class _ComparedState(NamedTuple):
    """A row of COMPARED_STATES."""

    name: str
    same_relation: bool
    same_file: bool
    shape: str
    shape_now: str | None
    inserted: int
    updated: int
    deleted: int
    suspicion: str
    days: float
    track_counts: bool


COMPARED_STATES = f"""
    select
        known.name, known.relation = now.relation, known.filenode = now.filenode, known.shape, now.shape,
        now.inserted - known.inserted, now.updated - known.updated, now.deleted - known.deleted, known.suspicion,
        extract(epoch from now() - known.verified_at) / 86400, current_setting('track_counts') = 'on'
    from etl.relations as known join ({STATES_NOW}) as now using (name)
    order by known.name
"""


UNRECORDED = """
    select distinct target_table
    from etl.table_updates
    where
        (starts_with(target_table, 'raw_data.') or target_table = 'etl.ledger')
        and to_regclass(target_table) is not null
        and target_table not in (select name from etl.relations)
    union all
    select schema_name || '.'
    from (values ('candidates', 'core'), ('marts', 'published')) as built (marker, schema_name)
    where
        exists (select from etl.table_updates where target_table = marker)
        and not exists (select from etl.relations where starts_with(name, schema_name || '.'))
"""
"""Tables that have markers, and schemas that were built, of which nothing is recorded: somebody emptied or dropped
etl.relations."""
NOTHING_RECORDED = "nothing is recorded of it"


def _find_change(state: _ComparedState, verify_days: float, everything: bool) -> Change | None:
    if state.shape_now is None:
        return Change(state.name, "it was dropped", is_lost=True)
    if state.shape_now != state.shape:
        return describe_shapes(state.name, state.shape, state.shape_now)
    if not _is_counted(state.name) or _is_view(state.shape):
        reason = "" if state.same_relation else "it was replaced"
    elif not (state.same_relation and state.same_file):
        reason = "it was replaced, truncated or rewritten"
    elif (state.inserted and state.name not in QUEUES) or state.updated or state.deleted:
        reason = describe_counts(state.inserted, state.updated, state.deleted)
    elif not state.track_counts:
        reason = "the server does not count changes (track_counts is off)"
    elif state.name not in QUEUES and (everything or (verify_days and state.days > verify_days)):
        reason = f"its rows were last compared {state.days:,.0f} days ago"
    else:
        reason = state.suspicion
    return Change(state.name, reason, is_lost=False) if reason else None


def _is_counted(relation: str) -> bool:
    """Whether a relation's rows are watched. Other tables in etl say of themselves what they hold, or nothing is
    computed from them."""
    return not relation.startswith(f"{ETL}.") or relation in (LEDGER, *QUEUES)


def _is_view(shape: str) -> bool:
    return "; query " in shape


def describe_shapes(name: str, before: str, now: str) -> Change:
    """The change of a relation by its descriptions by etl.describe_relation."""
    columns_before, columns_now = (set(shape.split("; ")[0].split(", ")) for shape in (before, now))
    gone, new = sorted(columns_before - columns_now), sorted(columns_now - columns_before)
    extra = sorted(set(now.split("; ")[1:]) - set(before.split("; ")[1:]))
    found = [f"the column {column} is gone" for column in gone]
    found += [f"the column {column} is new" for column in new]
    found += ["it has another query" if text.startswith("query ") else f"it is {text}" for text in extra]
    reason = " and ".join(found) or "its columns have another order"
    return Change(name, reason, is_lost=True, only_wider=bool(new) and not gone and not extra)


def describe_counts(inserted: int, updated: int, deleted: int) -> str:
    """In words, by how much the server's counters differ from what the pipeline wrote."""
    if min(inserted, updated, deleted) < 0:
        return "the server has lost its counters of changes, as after a crash"
    counts = [(inserted, "inserted"), (updated, "updated"), (deleted, "deleted")]
    return " and ".join(f"{texts.count(rows, 'row')} {verb}" for rows, verb in counts if rows) + " by others or in vain"
