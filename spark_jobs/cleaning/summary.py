"""The summary of a cleaned batch: the counts that the ledger balances, and what its tables hold."""

from spark_jobs.cleaning.parts import ACCEPTED, REJECTED, SUPERSEDED, CleanedPart, WrittenPart, add_counts
from spark_jobs.engine.parquet_parts import summarize_table
from spark_jobs.messages.jobs import CleanCounts, CleanedBatch, EntityOutcome, TableFacts
from spark_jobs.schemas import ENTITY_TABLES


def summarize_batch(cleaned: list[CleanedPart], written: list[WrittenPart]) -> CleanedBatch:
    """The counts and tables of a batch from its parts.

    `read` was counted in the documents, everything else in what was written, so that a record that is lost between
    the two shows.
    """
    read: dict[str, int] = {}
    skipped: dict[str, int] = {}
    rejected_sums: dict[str, dict[str, int]] = {}
    rejected_rows: dict[str, int] = {}
    for cleaned_part in cleaned:
        add_counts(read, cleaned_part.read)
        add_counts(skipped, cleaned_part.skipped)
        for entity, sums in cleaned_part.rejected_sums.items():
            add_counts(rejected_sums.setdefault(entity, {}), sums)
    for written_part in written:
        add_counts(rejected_rows, written_part.rejected)
    outcomes: dict[str, dict[str, EntityOutcome]] = {}
    accepted_documents = sum(part.accepted_documents for part in cleaned)
    outcomes["document"] = {ACCEPTED: EntityOutcome(accepted_documents, "", {})} if accepted_documents else {}
    for entity in ENTITY_TABLES:
        found = {outcome: _summarize_outcome(written, entity, outcome) for outcome in (ACCEPTED, SUPERSEDED)}
        outcomes[entity] = {outcome: facts for outcome, facts in found.items() if facts is not None}
    for entity, rows in rejected_rows.items():
        outcomes[entity][REJECTED] = EntityOutcome(rows, "", rejected_sums.get(entity, {}))
    drift: set[str] = set().union(*(part.drift for part in cleaned))
    return CleanedBatch(CleanCounts(read, outcomes, sorted(drift), skipped), _summarize_tables(written, outcomes))


def _summarize_outcome(written: list[WrittenPart], entity: str, outcome: str) -> EntityOutcome | None:
    """The records of an entity that had an outcome, by the files they were written to; None where there are none."""
    found = [part.outcomes[entity][outcome] for part in written if outcome in part.outcomes[entity]]
    if not found:
        return None
    sums: dict[str, int] = {}
    for _, of_part in found:
        add_counts(sums, of_part)
    facts = summarize_table(part for part, _ in found)
    return EntityOutcome(facts.rows, facts.fingerprint, sums)


def _summarize_tables(
    written: list[WrittenPart], outcomes: dict[str, dict[str, EntityOutcome]]
) -> dict[str, TableFacts]:
    """The rows and fingerprint of every table; those of entities hold the accepted records."""
    tables: dict[str, TableFacts] = {}
    for entity, table in ENTITY_TABLES.items():
        accepted = outcomes[entity].get(ACCEPTED)
        tables[table] = TableFacts(accepted.rows, accepted.fingerprint) if accepted else summarize_table([])
    for table in ("rejected", "issues"):
        tables[table] = summarize_table(part.others[table] for part in written if table in part.others)
    return tables
