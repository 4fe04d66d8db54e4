"""The ledger's balance, and when it stops a batch."""

from luigi_tasks.quality import ledger
from luigi_tasks.targets.ledger_file import LedgerLine
from spark_jobs.messages import CleanCounts, EntityOutcome
from spark_jobs.schemas import MEASURES

NO_SUMS = dict.fromkeys(MEASURES, 0)


def counts(**changed: int) -> CleanCounts:
    """Of ten documents: eight users, one superseded, one rejected; twenty posts, three comments."""
    read = {"documents": 10, "users": 9, "posts": 20, "comments": 3, **NO_SUMS, "shares": 12, **changed}
    outcomes = {
        "document": {"accepted": outcome(9), "rejected": outcome(1)},
        "user": {"accepted": outcome(8), "superseded": outcome(1)},
        "post": {
            "accepted": outcome(15, shares=7),
            "superseded": outcome(1, shares=2),
            "rejected": outcome(4, shares=3),
        },
        "comment": {"accepted": outcome(3)},
    }
    return CleanCounts(read, outcomes, [])


def outcome(rows: int, **sums: int) -> EntityOutcome:
    return EntityOutcome(rows, "f", NO_SUMS | sums)


ON_DISK = {"users": 8, "posts": 15, "comments": 3}


def test_build_ledger__counts_every_record_once():
    assert ledger.build_ledger(counts())[:5] == [
        LedgerLine("document", "records", 10, 9, 1, 0),
        LedgerLine("user", "records", 9, 8, 0, 1),
        LedgerLine("post", "records", 20, 15, 4, 1),
        LedgerLine("comment", "records", 3, 3, 0, 0),
        LedgerLine("post", "shares", 12, 7, 3, 2),
    ]


def test_build_ledger__is_all_zero_for_an_empty_batch():
    lines = ledger.build_ledger(CleanCounts({}, {entity: {} for entity in ledger.TABLES}, []))
    assert {(line.read, line.accepted, line.rejected, line.duplicate) for line in lines} == {(0, 0, 0, 0)}
    assert ledger.find_stop_reason(lines, {}, 0.25) is None


def test_find_stop_reason__lets_a_balanced_batch_pass():
    assert ledger.find_stop_reason(ledger.build_ledger(counts()), ON_DISK, 0.25) is None


def test_find_stop_reason__names_what_does_not_balance():
    reason = ledger.find_stop_reason(ledger.build_ledger(counts(posts=21, shares=13)), ON_DISK, 0.25)
    assert reason == (
        "the ledger does not balance (post records: read 21, accepted 15, rejected 4, duplicate 1, skipped 0; "
        "post shares: read 13, accepted 7, rejected 3, duplicate 2, skipped 0); keep the batch and report this"
    )


def test_find_stop_reason__compares_with_the_rows_on_disk():
    reason = ledger.find_stop_reason(ledger.build_ledger(counts()), ON_DISK | {"posts": 14}, 0.25)
    assert reason == (
        "the checkpoint does not hold what was accepted (posts: 15 expected, 14 found); delete it and run again"
    )


def test_find_stop_reason__allows_the_configured_share_and_no_more():
    lines = ledger.build_ledger(counts())
    assert ledger.find_stop_reason(lines, ON_DISK, 0.2) is None
    assert ledger.find_stop_reason(lines, ON_DISK, 0.19) == (
        "4 of 20 posts were rejected, at most 19% allowed; look at them with socialmart rejected, fix the file or set "
        "[quality] max_rejected_share"
    )
