"""Which batches are admitted to the warehouse: all but those that Audit stops."""

from collections.abc import Sequence

from luigi_tasks.stages.answers import share_answers
from luigi_tasks.stages.audit import Audit, find_verdict
from luigi_tasks.stages.clean import Clean
from luigi_tasks.targets import checkpoint, landing


def list_admitted_batches(batches: Sequence[str] = ()) -> Sequence[str]:
    """The batches that dbt waits for: all in the landing folder, or these, but for those that are stopped.

    Also those that have left the landing folder and can be loaded from their checkpoints: a warehouse that was
    restored from an older backup lacks some.
    """
    with share_answers(batches):
        return [name for name in batches or _list_all_batches() if find_stop_reason(name) is None]


def _list_all_batches() -> list[str]:
    landed = landing.list_batches()
    return [*landed, *checkpoint.list_loadable_batches(without=landed)]


def find_stop_reason(batch: str) -> str | None:
    """Why Audit stops a batch, or will; None if it passes, and while the batch is not clean."""
    if Audit(batch=batch).find_stale_reason() is None or Clean(batch=batch).find_stale_reason():
        return None
    return find_verdict(batch)
