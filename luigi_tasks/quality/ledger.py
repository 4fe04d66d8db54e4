"""The ledger: for each batch, entity and measure, read = accepted + rejected + duplicate.

`document` is what the files hold, `user` what became of the documents with a user, `post` and `comment` the rest;
the measure `records` counts them, the others are the sums of shares and of each reaction.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spark_jobs.messages import CleanCounts, EntityOutcome
from spark_jobs.schemas import ENTITY_TABLES, MEASURES

RECORDS = "records"
OUTCOMES = {"accepted": "accepted", "rejected": "rejected", "duplicate": "superseded"}


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    entity: str
    measure: str
    read: int
    accepted: int
    rejected: int
    duplicate: int

    def is_balanced(self) -> bool:
        return self.read == self.accepted + self.rejected + self.duplicate

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def entries(counts: CleanCounts) -> list[Entry]:
    """The ledger of a batch, from the counts that Clean left in its manifest."""
    read, users = counts.read, counts.outcomes["user"]
    taken = _count_records(users, "accepted") + _count_records(users, "superseded")
    rejected_documents = _count_records(users, "rejected")
    found = [Entry("document", RECORDS, read.get("documents", 0), taken, rejected_documents, 0)]
    for entity, table in ENTITY_TABLES.items():
        outcomes = counts.outcomes[entity]
        parts = {name: _count_records(outcomes, outcome) for name, outcome in OUTCOMES.items()}
        if entity == "user":
            parts["rejected"] = 0
        found.append(Entry(entity, RECORDS, read.get(table, 0), **parts))
    posts = counts.outcomes["post"]
    for measure in MEASURES:
        parts = {name: _sum_measure(posts, outcome, measure) for name, outcome in OUTCOMES.items()}
        found.append(Entry("post", measure, read.get(measure, 0), **parts))
    return found


def _count_records(outcomes: Mapping[str, EntityOutcome], outcome: str) -> int:
    return outcomes[outcome].rows if outcome in outcomes else 0


def _sum_measure(outcomes: Mapping[str, EntityOutcome], outcome: str, measure: str) -> int:
    return outcomes[outcome].sums.get(measure, 0) if outcome in outcomes else 0


def why_stopped(found: list[Entry], rows_on_disk: dict[str, int], max_rejected_share: float) -> str | None:
    """Why the batch must not be loaded, None when it may be. `rows_on_disk`: the tables' rows as their files tell."""
    unbalanced = [entry for entry in found if not entry.is_balanced()]
    if unbalanced:
        listed = "; ".join(
            f"{entry.entity} {entry.measure}: read {entry.read:,}, accepted {entry.accepted:,}, "
            f"rejected {entry.rejected:,}, duplicate {entry.duplicate:,}"
            for entry in unbalanced
        )
        return f"the ledger does not balance ({listed}); keep the batch and report this"
    accepted = {ENTITY_TABLES[e.entity]: e.accepted for e in found if e.measure == RECORDS and e.entity != "document"}
    wrong = {table: rows for table, rows in accepted.items() if rows_on_disk.get(table, 0) != rows}
    if wrong:
        listed = ", ".join(
            f"{table}: {rows:,} expected, {rows_on_disk.get(table, 0):,} found" for table, rows in wrong.items()
        )
        return f"the checkpoint does not hold what was accepted ({listed}); delete it and run again"
    for entry in found:
        if entry.measure == RECORDS and entry.rejected > max_rejected_share * entry.read:
            return (
                f"{entry.rejected:,} of {entry.read:,} {entry.entity}s were rejected, at most {max_rejected_share:.0%} "
                "allowed; look at them with socialmart rejected, mend the file or set [quality] max_rejected_share"
            )
    return None
