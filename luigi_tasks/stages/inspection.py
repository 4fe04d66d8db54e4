"""Inspection: whether the warehouse is as the pipeline left it, and what to do where it is not.

A run begins with a look at the catalogue and at the server's counters of changes, which is cheap. Only tables that
changed are compared: raw_data with the digests of what was loaded, the ledger with its files, published rows with the
candidates. What is wrong is made stale, by deleting its marker or noting a suspicion, so that the stages put it right
from what stands before it; DbtRun itself compares the tables that dbt built. What cannot be put right ends the run.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import cache

from psycopg2.errors import UndefinedTable
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import config, fingerprints, warehouse
from luigi_tasks.dbt import comparison
from luigi_tasks.dbt.publication import OnProgress, describe_code
from luigi_tasks.dbt.selection import BUILD, INPUTS
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy import masks
from luigi_tasks.runs import lock, record
from luigi_tasks.runs.anomalies import Anomaly
from luigi_tasks.targets import checkpoint, landing, marker
from luigi_tasks.targets.ledger_file import COUNTS
from luigi_tasks.targets.marker import Marker
from luigi_tasks.warehouse import (
    audit_chain,
    change_queue,
    content_digests,
    migrations,
    own_functions,
    project_claim,
    relation_states,
)
from luigi_tasks.warehouse.own_functions import OwnFunction
from luigi_tasks.warehouse.relation_states import Change
from luigi_tasks.warehouse.schema_names import CANDIDATES, ETL, INTERMEDIATE, MARTS, RAW_DATA

REBUILD_MODELS = "everything that dbt builds is built from scratch"
CREATE_FUNCTION = "it is created again"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """Something in the warehouse that is not as the pipeline left it, and what is done about it."""

    relation: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.relation}: {self.found}; {self.remedy}"


@cache
def inspect_once() -> None:
    """Inspect the warehouse at the beginning of a run: in the process that began it, before it asks its markers."""
    if lock.is_held():
        days = config.read_section(config.warehouse).verify_days
        for finding in inspect_warehouse(days):
            logger.info("%s", finding)


def list_changes(verify_days: float = 0) -> list[Change]:
    """What others changed since the pipeline wrote it, by the catalogue and the server's counters. Changes nothing.

    Raises PipelineError where the warehouse is another project's.
    """

    def look() -> list[Change]:
        with warehouse.reading() as cursor:
            try:
                project_claim.require_no_other(cursor)
                functions = _find_changed_functions(cursor)
                if any(change.schema == ETL for change in functions):  # these are what relations are compared by
                    return functions
                return [*relation_states.find_changes(cursor, verify_days), *functions]
            except UndefinedTable:  # nothing was loaded yet, or the migrations have to run first
                pass
        with warehouse.reading() as cursor:
            lost = Change(f"{ETL}.relations", "it is not there", is_lost=True)
            return [lost] if relation_states.has_lost_all(cursor) else []

    return warehouse.retry_transaction("the inspection of the warehouse", look)


def inspect_warehouse(verify_days: float = 0) -> list[Finding]:
    """Look for what others changed, and have the stages put it right. Returns what was found.

    Raises PipelineError where something cannot be put right, or the warehouse is another project's.
    """
    changes = list_changes(verify_days)
    if not changes:
        return []
    dropped = [
        Finding(change.relation, change.reason, CREATE_FUNCTION)
        for change in changes
        if change.schema == ETL and change.reason == own_functions.DROPPED
    ]
    migrations.apply()  # creates tables and functions that were dropped

    def examine() -> list[Finding]:  # markers that it reads are not those of the check that it is part of
        with marker.share_lookup([]), warehouse.transaction() as cursor:
            findings = [*dropped, *_examine_functions(cursor)]
            findings += _examine_changes(cursor, relation_states.find_changes(cursor, verify_days))
            record_findings(cursor, findings)
            return findings

    return warehouse.retry_transaction("the inspection of the warehouse", examine)


def list_damage(on_progress: OnProgress) -> list[Finding]:
    """Compare everything, and return what is not as the pipeline left it. Changes nothing."""
    with warehouse.transaction() as cursor:
        project_claim.require_no_other(cursor)
        findings = list(_examine_functions(cursor))
        findings += _examine_changes(cursor, relation_states.find_changes(cursor, everything=True))
        cursor.connection.rollback()  # the stages are not to put it right
    if any(finding.remedy == REBUILD_MODELS for finding in findings):  # then there is nothing to compare
        return findings
    wrong = comparison.find_wrong_tables(on_progress)
    return [*findings, *(describe_wrong_table(name) for name in wrong)]


def describe_wrong_table(relation: str) -> Finding:
    """The finding on a table of dbt that was compared."""
    return Finding(relation, "its rows are not what its model selects", REBUILD_MODELS)


def find_suspicion(schemas: Sequence[str]) -> str | None:
    """What others did to a relation of these schemas that its stage has not put right yet."""

    def read() -> dict[str, str]:
        with warehouse.reading() as cursor:
            try:
                return relation_states.list_suspicions(cursor, schemas)
            except UndefinedTable:
                return {}

    suspicions = warehouse.retry_transaction("the inspection of the warehouse", read)
    return next((f"{name}: {reason}" for name, reason in suspicions.items()), None)


def record_findings(cursor: Cursor, findings: Iterable[Finding]) -> None:
    """Have the findings among the remarks on this run, and in the audit chain."""
    found = list(findings)
    record.record_remarks(cursor, [Anomaly("changed by hand", finding.relation, str(finding)) for finding in found])
    if found:
        relations = sorted({finding.relation for finding in found})
        audit_chain.append(cursor, audit_chain.CHANGED_BY_HAND, relations=relations)


def _list_functions() -> list[OwnFunction]:
    """Our functions that the warehouse should have as this version creates them: none that an upgrade will replace."""
    with warehouse.reading() as cursor:
        sql = [migration.sql for migration in migrations.list_migrations()] if migrations.is_upgraded(cursor) else []
    with marker.share_lookup([]):  # the check that this is part of reads its markers after what is cleared here
        published = Marker(MARTS, "").read_built_from() or {}
    code = describe_code()
    if code["masks"] and code.items() <= published.items():
        sql.append(masks.compose_functions())
    return own_functions.list_functions(sql)


def _find_changed_functions(cursor: Cursor) -> list[Change]:
    found = [(each.name, own_functions.find_change(cursor, each)) for each in _list_functions()]
    return [Change(name, reason, is_lost=True) for name, reason in found if reason]


def _examine_functions(cursor: Cursor) -> Iterable[Finding]:
    """Functions of etl are created again. After another one than ours masked texts, all that was masked is suspect."""
    for function in _list_functions():
        reason = own_functions.find_change(cursor, function)
        if reason and function.name == masks.MASK_TEXT:
            Marker(MARTS, "").clear(cursor)
            yield Finding(function.name, reason, "all marts are published again")
        elif reason:
            cursor.execute(function.statement)
            yield Finding(function.name, reason, CREATE_FUNCTION)


def _examine_changes(cursor: Cursor, changes: Sequence[Change]) -> Iterable[Finding]:
    if any(change.reason == relation_states.NOTHING_RECORDED for change in changes):
        for name in (CANDIDATES, MARTS):
            Marker(name, "").clear(cursor)
        relation_states.forget(cursor, relation_states.BUILT_BY_DBT)
        yield Finding(f"{ETL}.relations", "it has lost what was recorded", f"{REBUILD_MODELS}, and published again")
    changes = [change for change in changes if change.relation.partition(".")[2]]
    by_schema: dict[str, list[Change]] = {}
    for change in changes:
        by_schema.setdefault(change.schema, []).append(change)
    for change in by_schema.pop(ETL, []):
        yield from _examine_table_of_etl(cursor, change)
    for change in by_schema.pop(RAW_DATA, []):
        yield from _examine_raw_table(cursor, change)
    published = [change for schema in relation_states.PUBLISHED_SCHEMAS for change in by_schema.pop(schema, [])]
    yield from _examine_models(cursor, [change for found in by_schema.values() for change in found])
    yield from _examine_published(cursor, published)


def _examine_table_of_etl(cursor: Cursor, change: Change) -> Iterable[Finding]:
    """A queue that lost rows can only be made up for by building everything; the ledger is read from its files."""
    _require_shape(change)
    if _is_loss_of_work(change):
        Marker(CANDIDATES, "").clear(cursor)
        yield Finding(change.relation, change.reason, REBUILD_MODELS)
    if change.relation == relation_states.LEDGER:
        yield from _examine_ledger(cursor)
    relation_states.remember_new(cursor, [change.relation])
    relation_states.settle(cursor, [change.relation])


def _is_loss_of_work(change: Change) -> bool:
    """Whether it is a queue that changed, and not everything that was loaded is published, so its rows were needed."""
    if change.relation not in relation_states.QUEUES:
        return False
    built, published = Marker(CANDIDATES, ""), Marker(MARTS, "").read_built_from() or {}
    inputs = (built.read_built_from() or {}).get(INPUTS)
    loads = fingerprints.of_value(marker.list_loads(RAW_DATA))
    is_all_published = inputs == loads == published.get(INPUTS) and built.read_content() == published.get(BUILD)
    return not is_all_published


def _examine_ledger(cursor: Cursor) -> Iterable[Finding]:
    cursor.execute(
        f"select batch, verdict, array_agg(row(entity, measure, {', '.join(COUNTS)})::text order by "
        "entity, measure) from etl.ledger group by batch, verdict"
    )
    found: dict[str, list[object]] = {}
    for batch, verdict, lines in cursor.fetchall():
        found.setdefault(batch, []).append((verdict, lines))
    for batch, ledger in checkpoint.read_ledgers(marker.list_contents(relation_states.LEDGER)).items():
        lines = sorted(
            (line.entity, line.measure, f"({','.join(str(value) for value in astuple(line))})")
            for line in ledger.entries
        )
        expected = [(ledger.verdict, [text for _, _, text in lines])] if lines else []
        if found.get(batch, []) != expected:
            Marker(relation_states.LEDGER, batch).clear(cursor)
            yield Finding(
                relation_states.LEDGER, f"the batch {batch} is not as in its ledger file", "it is audited again"
            )


def _examine_raw_table(cursor: Cursor, change: Change) -> Iterable[Finding]:
    """Have the batches loaded again whose rows are not those that were loaded, and everything after them built."""
    _require_shape(change)
    table = change.relation.partition(".")[2]
    recorded = marker.list_contents(change.relation)
    found = content_digests.digest_batches(cursor, table)
    wrong = []
    for batch in sorted({*recorded, *found}):
        rows = found.get(batch, content_digests.NO_ROWS)
        if recorded.get(batch) == rows:
            continue
        if recorded.get(batch) == "":  # loaded by a version that recorded none
            Marker(change.relation, batch).record_content(cursor, rows)
            continue
        if landing.find_entry(batch) is None and not checkpoint.is_loadable(batch):
            raise PipelineError(
                f"{change.relation} has other rows of the batch {batch} than were loaded "
                f"({content_digests.count_rows(rows)} instead of "
                f"{content_digests.count_rows(recorded.get(batch, content_digests.NO_ROWS))}); nothing is left to load "
                "it from; restore its rows from a backup of the warehouse, put its files back into the landing folder, "
                "or delete its rows and its markers in etl.table_updates"
            )
        wrong.append(batch)
    relation_states.remember_new(cursor, [change.relation])
    relation_states.settle(cursor, [change.relation])
    for batch in wrong:
        change_queue.delete_batch(cursor, table, batch)
        Marker(change.relation, batch).clear(cursor)
        yield Finding(change.relation, f"the batch {batch} has other rows than were loaded", "it is loaded again")
    if wrong:
        relation_states.count_changes(cursor, change.relation, relation_states.CHANGED_BATCHES)
        Marker(CANDIDATES, "").clear(cursor)


def _require_shape(change: Change) -> None:
    """Raise PipelineError where a table was altered in a way that no stage can undo."""
    if change.is_lost and not change.only_wider:
        raise PipelineError(
            f"{change.relation} is not as this program created it: {change.reason}; nothing was changed; undo that by "
            "alter table or drop, then run again; the rows are compared then"
        )


def _examine_models(cursor: Cursor, changes: Sequence[Change]) -> Iterable[Finding]:
    """What dbt built: DbtRun compares tables whose rows may differ, and builds everything where more does."""
    lost = [change for change in changes if change.is_lost or _is_loss_of_work(change)]
    for change in lost:
        yield Finding(change.relation, change.reason, REBUILD_MODELS)
    if lost:
        Marker(CANDIDATES, "").clear(cursor)
        relation_states.forget(cursor, relation_states.BUILT_BY_DBT)
        return
    idle = [change for change in changes if change.relation in relation_states.QUEUES]
    relation_states.settle(cursor, [change.relation for change in idle])
    relation_states.suspect(cursor, [change for change in changes if change not in idle])


def _examine_published(cursor: Cursor, changes: Sequence[Change]) -> Iterable[Finding]:
    """What readers see: it is published again where it is gone or has other rows than the candidates."""
    wrong = [change for change in changes if change.is_lost or not _equals_candidate(cursor, change.relation)]
    for change in wrong:
        yield Finding(change.relation, change.reason, "all marts are published again")
    relation_states.settle(cursor, [change.relation for change in changes if change not in wrong])
    relation_states.suspect(cursor, wrong)


def _equals_candidate(cursor: Cursor, published: str) -> bool:
    """Whether a relation that readers need has the rows of its candidate, as far as anything can tell.

    A view in marts has the query that it was published with, so it shows them as the masks have it.
    """
    schema, _, name = published.partition(".")
    if schema == MARTS:
        return True
    if published == masks.PSEUDONYMS_TABLE:
        return masks.has_all_pseudonyms(cursor)
    for schema in (CANDIDATES, INTERMEDIATE):
        cursor.execute("select to_regclass(%s) is not null", (f"{schema}.{name}",))
        if cursor.fetchone() == (True,):
            return content_digests.are_rows_equal(cursor, published, f"select * from {schema}.{name}")
    return False
