"""The ledger file of a batch: what Audit writes beside its verdict, for the summary and for finding anomalies."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spark_jobs.messages import MessageError, from_json, to_json
from spark_jobs.storage import Location

logger = logging.getLogger(__name__)


COUNTS = ("read", "accepted", "rejected", "duplicate", "skipped")
"""The counts of a line: the first is the sum of the others."""


@dataclass(frozen=True)
class LedgerLine:
    """The counts of one entity and measure in a batch: records, or the sum of one counter."""

    entity: str
    measure: str
    read: int
    accepted: int
    rejected: int
    duplicate: int
    skipped: int = 0

    def has_any(self) -> bool:
        """Return whether any of the counts is not 0."""
        return any(getattr(self, name) for name in COUNTS)

    def is_balanced(self) -> bool:
        """Return whether every record that was read has exactly one outcome."""
        return self.read == self.accepted + self.rejected + self.duplicate + self.skipped


@dataclass(frozen=True)
class BatchLedger:
    """Audit's verdict on a batch.

    `verdict` is `passed` or `stopped`, `reason` says why it was stopped; `drift` are the fields of its documents that
    the pipeline does not know, `issues` is the number of values that Clean corrected.
    """

    batch: str
    verdict: str
    reason: str | None
    entries: Sequence[LedgerLine]
    drift: Sequence[str]
    issues: int


def write_ledger(path: Path, ledger: BatchLedger) -> None:
    """Write a ledger file, JSON."""
    path.write_text(to_json(ledger, indent=1), encoding="utf-8")


def read_ledger(path: Location) -> BatchLedger | None:
    """Read a ledger file. Returns None if it is missing, and, with a warning that names it, if it is damaged."""
    try:
        return from_json(BatchLedger, path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, MessageError) as error:
        logger.warning(
            "ledger %s: cannot be read (%s: %s); delete its folder and run again", path, type(error).__name__, error
        )
        return None
