"""The ledger: for each batch, entity and measure, read = accepted + rejected + duplicate.

`document` is what the files hold, `user` what became of the documents with a user, `post` and `comment` the rest;
the measure `records` counts them, the others are the sums of shares and of each reaction.
"""

from dataclasses import asdict, dataclass
from typing import Any

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


def entries(counts: dict[str, Any]) -> list[Entry]:
    """The ledger of a batch, from the counts that Clean left in its manifest."""
    read, outcomes = counts["read"], counts["outcomes"]
    users = outcomes["user"]
    taken = _count(users, "accepted", "rows") + _count(users, "superseded", "rows")
    found = [Entry("document", RECORDS, read.get("documents", 0), taken, _count(users, "rejected", "rows"), 0)]
    for entity, table in ENTITY_TABLES.items():
        of_entity = outcomes[entity]
        parts = {name: _count(of_entity, outcome, "rows") for name, outcome in OUTCOMES.items()}
        if entity == "user":
            parts["rejected"] = 0
        found.append(Entry(entity, RECORDS, read.get(table, 0), **parts))
    for measure in MEASURES:
        parts = {name: _count(outcomes["post"], outcome, measure) for name, outcome in OUTCOMES.items()}
        found.append(Entry("post", measure, read.get(measure, 0), **parts))
    return found


def _count(outcomes: dict[str, Any], outcome: str, name: str) -> int:
    return outcomes.get(outcome, {}).get(name, 0)


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
