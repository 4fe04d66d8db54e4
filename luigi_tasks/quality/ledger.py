"""Builds and checks a batch's ledger: for each entity and measure, read = accepted + rejected + duplicate + skipped.

Entity `document` counts the documents of the landing files (of other sources than the native export: their records),
`user`, `post` and `comment` the records inside them. Measure `records` counts them; the other measures are the sums of
their counters. Only what is left out on purpose is skipped, such as a repost: `skipped.repost` counts those. Their
counters are not read.
"""

from collections.abc import Iterable, Mapping, Sequence

from luigi_tasks.targets.ledger_file import LedgerLine
from spark_jobs.messages import CleanCounts, EntityOutcome, name_read_sum
from spark_jobs.schemas import ENTITY_MEASURES, ENTITY_TABLES, MEASURES

RECORDS = "records"
"""The measure that counts records."""
SKIPPED = "skipped."
"""Stands before a reason, for the measure that counts the records that were skipped for it."""
TABLES = {"document": "documents", **ENTITY_TABLES}
"""By entity, the name of its records in Clean's counts."""
ALWAYS_LISTED = {("post", measure) for measure in MEASURES}
"""The sums that a ledger has even where they are 0; others, which few sources have, only where they are not."""
OUTCOMES = {"accepted": "accepted", "rejected": "rejected", "duplicate": "superseded"}
"""The column of the ledger for each outcome in Clean's counts."""


def build_ledger(counts: CleanCounts) -> list[LedgerLine]:
    """Build the ledger from the counts in Clean's manifest."""
    lines = []
    for entity, table in TABLES.items():
        outcomes = counts.outcomes[entity]
        columns = {column: _count_records(outcomes, outcome) for column, outcome in OUTCOMES.items()}
        skipped = sum(rows for name, rows in counts.skipped.items() if name.startswith(f"{entity}."))
        lines.append(LedgerLine(entity, RECORDS, counts.read.get(table, 0), **columns, skipped=skipped))
    for name, rows in sorted(counts.skipped.items()):
        entity, _, reason = name.partition(".")
        lines.append(LedgerLine(entity, SKIPPED + reason, rows, 0, 0, 0, skipped=rows))
    for entity, measures in ENTITY_MEASURES.items():
        found = [_build_line(counts, entity, measure) for measure in measures]
        lines += [line for line in found if line.has_any() or (entity, line.measure) in ALWAYS_LISTED]
    return lines


def _build_line(counts: CleanCounts, entity: str, measure: str) -> LedgerLine:
    outcomes = counts.outcomes[entity]
    columns = {column: _sum_measure(outcomes, outcome, measure) for column, outcome in OUTCOMES.items()}
    return LedgerLine(entity, measure, counts.read.get(name_read_sum(entity, measure), 0), **columns)


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
        f"rejected {line.rejected:,}, duplicate {line.duplicate:,}, skipped {line.skipped:,}"
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
