"""Says for every stage whether it is up to date, and if not, why."""

from collections.abc import Iterator
from dataclasses import dataclass

from luigi_tasks.stages import inspection
from luigi_tasks.stages.answers import share_answers
from luigi_tasks.stages.registry import STAGES, StageKind
from luigi_tasks.targets import landing
from luigi_tasks.warehouse import relation_states
from luigi_tasks.warehouse.relation_states import Change
from luigi_tasks.warehouse.schema_names import RAW_DATA


@dataclass(frozen=True)
class Answer:
    """Whether one stage is up to date: `reason` is None where it is."""

    stage: str
    batch: str
    reason: str | None


def explain_stages() -> list[Answer]:
    """An answer for every stage of every batch in the landing folder, then for every stage that is about all batches;
    both in the order of the graph."""
    changed = {_name_stage(change): change for change in inspection.list_changes()}
    answers = []
    with share_answers():
        for kind, batch in _list_stages():
            reason = kind.make(batch).find_stale_reason()
            if reason is None and kind.name in changed:
                reason = f"{changed[kind.name].relation}: {changed[kind.name].reason}; the next run compares its rows"
            answers.append(Answer(kind.name, batch, reason))
    return answers


def _name_stage(change: Change) -> str:
    """The stage that writes a relation."""
    if change.schema == RAW_DATA:
        return f"Load {change.relation.partition('.')[2]}"
    if change.relation == relation_states.LEDGER:
        return "Audit"
    return "Publish" if change.schema in relation_states.PUBLISHED_SCHEMAS else "DbtRun"


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
