"""Says for every stage whether it is up to date, and if not, why."""

from collections.abc import Iterator
from dataclasses import dataclass

from luigi_tasks.stages.answers import share_answers
from luigi_tasks.stages.registry import STAGES, StageKind
from luigi_tasks.targets import landing


@dataclass(frozen=True)
class Answer:
    """Whether one stage is up to date: `reason` is None where it is."""

    stage: str
    batch: str
    reason: str | None


def explain_stages() -> list[Answer]:
    """An answer for every stage of every batch in the landing folder, then for every stage that is about all batches;
    both in the order of the graph."""
    with share_answers():
        return [Answer(kind.name, batch, kind.make(batch).find_stale_reason()) for kind, batch in _list_stages()]


def _list_stages() -> Iterator[tuple[StageKind, str]]:
    """Every stage there is: its kind and its batch, "" where it is about all batches."""
    for batch in landing.list_batches():
        yield from ((kind, batch) for kind in STAGES if kind.per_batch)
    yield from ((kind, "") for kind in STAGES if not kind.per_batch)


def list_lines(answers: list[Answer]) -> Iterator[tuple[str, str]]:
    """Lines for people, each with its style: stages that are up to date are counted, all others listed."""
    for task in dict.fromkeys(_name_task(answer) for answer in answers):
        of_task = [answer for answer in answers if _name_task(answer) == task]
        stale = [answer for answer in of_task if answer.reason]
        count = f"{len(of_task) - len(stale):,} of {len(of_task):,}"
        yield f"{task:8} {count} up to date", "bold" if stale else "green"
        for answer in stale:
            yield f"    {answer.stage} {answer.batch}: {answer.reason}", "yellow"


def _name_task(answer: Answer) -> str:
    """The task of a stage: Load, of "Load users"."""
    return answer.stage.split()[0]
