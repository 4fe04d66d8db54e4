"""The ledger file of a batch: what Audit writes beside its verdict, for the summary and for finding anomalies."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LedgerLine:
    """The counts of one entity and measure in a batch: records, or the sum of shares or of one reaction."""

    entity: str
    measure: str
    read: int
    accepted: int
    rejected: int
    duplicate: int

    def is_balanced(self) -> bool:
        """Return whether every record that was read has exactly one outcome."""
        return self.read == self.accepted + self.rejected + self.duplicate


@dataclass(frozen=True)
class BatchLedger:
    """Audit's verdict on a batch.

    `verdict` is `passed` or `stopped`, `reason` says why it was stopped; `drift` are the fields of its documents that
    the pipeline does not know, `issues` is the number of values that Clean corrected.
    """

    batch: str
    verdict: str
    reason: str | None
    lines: Sequence[LedgerLine]
    drift: Sequence[str]
    issues: int


def write_ledger(path: Path, ledger: BatchLedger) -> None:
    """Write a ledger file, JSON; `lines` stand there as `entries`."""
    path.write_text(json.dumps(format_ledger(ledger), indent=1), encoding="utf-8")


def format_ledger(ledger: BatchLedger) -> dict[str, Any]:
    """Return a ledger as the JSON object of its file, which `socialmart summary --json` shows too."""
    return {
        "batch": ledger.batch,
        "verdict": ledger.verdict,
        "reason": ledger.reason,
        "entries": [asdict(line) for line in ledger.lines],
        "drift": list(ledger.drift),
        "issues": ledger.issues,
    }


def read_ledger(path: Path) -> BatchLedger | None:
    """Read a ledger file. Returns None if it is missing, and, with a warning that names it, if it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return BatchLedger(
            batch=found["batch"],
            verdict=found["verdict"],
            reason=found["reason"],
            lines=[LedgerLine(**line) for line in found["entries"]],
            drift=found["drift"],
            issues=found["issues"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning(
            "ledger %s: cannot be read (%s: %s); delete its folder and run again", path, type(error).__name__, error
        )
        return None
