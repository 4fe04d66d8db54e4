"""Builds and checks a batch's ledger: for each entity and measure, read = accepted + rejected + duplicate.

Entity `document` counts the documents of the landing files, `user` those with a valid user, `post` and `comment` the
records inside them. Measure `records` counts them; the other measures are the sums of shares and of each reaction.
"""

from collections.abc import Iterable, Mapping, Sequence

from luigi_tasks.targets.ledger_file import LedgerLine
from spark_jobs.messages import CleanCounts, EntityOutcome
from spark_jobs.schemas import ENTITY_TABLES, MEASURES

RECORDS = "records"
"""The measure that counts records."""
OUTCOMES = {"accepted": "accepted", "rejected": "rejected", "duplicate": "superseded"}
"""The column of the ledger for each outcome in Clean's counts."""


def build_ledger(counts: CleanCounts) -> list[LedgerLine]:
    """Build the ledger from the counts in Clean's manifest."""
    read, users = counts.read, counts.outcomes["user"]
    with_user = _count_records(users, "accepted") + _count_records(users, "superseded")
    lines = [LedgerLine("document", RECORDS, read.get("documents", 0), with_user, _count_records(users, "rejected"), 0)]
    for entity, table in ENTITY_TABLES.items():
        columns = {column: _count_records(counts.outcomes[entity], outcome) for column, outcome in OUTCOMES.items()}
        if entity == "user":
            columns["rejected"] = 0  # a document without a valid user is rejected as a document
        lines.append(LedgerLine(entity, RECORDS, read.get(table, 0), **columns))
    posts = counts.outcomes["post"]
    for measure in MEASURES:
        columns = {column: _sum_measure(posts, outcome, measure) for column, outcome in OUTCOMES.items()}
        lines.append(LedgerLine("post", measure, read.get(measure, 0), **columns))
    return lines


def _count_records(outcomes: Mapping[str, EntityOutcome], outcome: str) -> int:
    return outcomes[outcome].rows if outcome in outcomes else 0


def _sum_measure(outcomes: Mapping[str, EntityOutcome], outcome: str, measure: str) -> int:
    return outcomes[outcome].sums.get(measure, 0) if outcome in outcomes else 0


def find_stop_reason(
    lines: Sequence[LedgerLine], rows_on_disk: Mapping[str, int], max_rejected_share: float
) -> str | None:
    """Return why a batch must not be loaded, or None if it may be.

    `rows_on_disk` are the rows of each table according to its Parquet files.
    """
    return (
        _find_imbalance(lines)
        or _find_missing_rows(lines, rows_on_disk)
        or _find_excessive_rejection(lines, max_rejected_share)
    )


def _find_imbalance(lines: Iterable[LedgerLine]) -> str | None:
    unbalanced = [
        f"{line.entity} {line.measure}: read {line.read:,}, accepted {line.accepted:,}, "
        f"rejected {line.rejected:,}, duplicate {line.duplicate:,}"
        for line in lines
        if not line.is_balanced()
    ]
    if not unbalanced:
        return None
    return f"the ledger does not balance ({'; '.join(unbalanced)}); keep the batch and report this"


def _find_missing_rows(lines: Iterable[LedgerLine], rows_on_disk: Mapping[str, int]) -> str | None:
    accepted = {
        ENTITY_TABLES[line.entity]: line.accepted
        for line in lines
        if line.measure == RECORDS and line.entity in ENTITY_TABLES
    }
    wrong = [
        f"{table}: {rows:,} expected, {rows_on_disk.get(table, 0):,} found"
        for table, rows in accepted.items()
        if rows_on_disk.get(table, 0) != rows
    ]
    if not wrong:
        return None
    return f"the checkpoint does not hold what was accepted ({', '.join(wrong)}); delete it and run again"


def _find_excessive_rejection(lines: Iterable[LedgerLine], max_rejected_share: float) -> str | None:
    for line in lines:
        if line.measure == RECORDS and line.rejected > max_rejected_share * line.read:
            return (
                f"{line.rejected:,} of {line.read:,} {line.entity}s were rejected, at most {max_rejected_share:.0%} "
                "allowed; look at them with socialmart rejected, fix the file or set [quality] max_rejected_share"
            )
    return None
