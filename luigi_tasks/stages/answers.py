"""Answers to whether stages are up to date: each is asked once a check, and not again in a run once it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from luigi_tasks.targets import marker, stored_checkpoints

Answers = dict[str, str | None]
"""By the id of a task: why it is stale, None where it is up to date."""

_answers: ContextVar[Answers | None] = ContextVar("answers", default=None)
_up_to_date: set[str] = set()
"""Ids of the tasks that this process found up to date. They stay so: what changes during a run is the next run's."""


@contextmanager
def share_answers(batches: Sequence[str] = ()) -> Iterator[Answers]:
    """The answers given so far within the outermost check, which is about these batches, or about all if empty.

    Within it the markers of these batches are read once.
    """
    answers = _answers.get()
    if answers is not None:
        yield answers
        return
    answers = dict.fromkeys(_up_to_date)
    token = _answers.set(answers)
    try:
        with marker.share_lookup(batches), stored_checkpoints.share_listings():
            yield answers
    finally:
        _answers.reset(token)
        _up_to_date.update(task for task, reason in answers.items() if reason is None)
