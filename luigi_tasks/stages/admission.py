"""Which batches are admitted to the warehouse: all but those that Audit stops."""

from collections.abc import Sequence

from luigi_tasks.stages import audit
from luigi_tasks.stages.audit import Audit
from luigi_tasks.stages.base import one_check
from luigi_tasks.stages.clean import Clean
from luigi_tasks.targets import landing


def admitted(batches: Sequence[str]) -> Sequence[str]:
    """The batches to load before dbt: all that lie in the landing folder, or these, but those that are stopped."""
    with one_check(batches):
        return [name for name in batches or landing.list_batches() if _is_admitted(name)]


def _is_admitted(batch: str) -> bool:
    """What Audit has passed is; what is not clean yet, too, until it is known how Audit ends."""
    if Audit(batch=batch).why_stale() is None or Clean(batch=batch).why_stale():
        return True
    return audit.verdict(batch) is None
