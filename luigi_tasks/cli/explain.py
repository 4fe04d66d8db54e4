"""Says for every stage whether it is up to date, and if not, why, and what the next run does about it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from luigi_tasks.stages import inspection
from luigi_tasks.stages.admission import find_stop_reason
from luigi_tasks.stages.answers import share_answers
from luigi_tasks.stages.load import Load
from luigi_tasks.stages.registry import StageKind, list_stage_kinds
from luigi_tasks.targets import checkpoint, landing
from luigi_tasks.warehouse import relation_states
from luigi_tasks.warehouse.relation_states import Change
from luigi_tasks.warehouse.schema_names import RAW_DATA

RUNS, FOLLOWS, STOPPED = "runs", "follows", "stopped"
"""What the next run does with a stage that is not up to date: it runs it; it runs it if a stage before it comes out
different; or it does not, as the batch is stopped."""


@dataclass(frozen=True)
class Answer:
    """Whether one stage is up to date: `reason` is None where it is, and so is `next_run` (RUNS, FOLLOWS, STOPPED)."""

    stage: str
    batch: str
    reason: str | None
    next_run: str | None


def explain_stages() -> list[Answer]:
    """An answer for every stage of every batch in the landing folder, for what will be loaded of batches that have left
    it, then for every stage that is about all batches; in the order of the graph."""
    changed = {_name_stage(change): change for change in inspection.list_changes()}
    with share_answers():
        landed = landing.list_batches()
        answers = [_explain_stage(kind, batch, changed.get(kind.name)) for kind, batch in _list_batch_stages(landed)]
        gone = checkpoint.list_loadable_batches(without=landed)
        of_gone = [_explain_stage(kind, batch, None) for kind, batch in _list_batch_stages(gone)]
        answers += [answer for answer in of_gone if answer.reason]
        about_all = [kind for kind in list_stage_kinds() if not kind.per_batch]
        return answers + [_explain_stage(kind, "", changed.get(kind.name)) for kind in about_all]


def _explain_stage(kind: StageKind, batch: str, change: Change | None) -> Answer:
    stage = kind.make(batch)
    reason = stage.find_stale_reason()
    if reason is None:
        if change is None:
            return Answer(kind.name, batch, None, None)
        return Answer(kind.name, batch, f"{change.relation}: {change.reason}; the next run compares its rows", RUNS)
    if isinstance(stage, Load) and find_stop_reason(batch):
        return Answer(kind.name, batch, reason, STOPPED)
    return Answer(kind.name, batch, reason, FOLLOWS if stage.find_stale_upstream() else RUNS)


def _name_stage(change: Change) -> str:
    """The stage that writes a relation."""
    if change.schema == RAW_DATA:
        return f"Load {change.relation.partition('.')[2]}"
    if change.relation == relation_states.LEDGER:
        return "Audit"
    return "Publish" if change.schema in relation_states.PUBLISHED_SCHEMAS else "DbtRun"


def _list_batch_stages(batches: Iterable[str]) -> Iterator[tuple[StageKind, str]]:
    """The stages of batches: each its kind and its batch."""
    for batch in batches:
        yield from ((kind, batch) for kind in list_stage_kinds() if kind.per_batch)


def list_lines(answers: list[Answer]) -> Iterator[tuple[str, str]]:
    """Lines for people, each with its style: the stages that will run, each with its cause; all others are counted."""
    for task in dict.fromkeys(_name_task(answer) for answer in answers):
        of_task = [answer for answer in answers if _name_task(answer) == task]
        counts = Counter(answer.next_run for answer in of_task)
        line = f"{task:8} {counts[None]:,} of {len(of_task):,} up to date"
        if counts[FOLLOWS]:
            line += f", {counts[FOLLOWS]:,} after the stages above"
        if counts[STOPPED]:
            line += f", {counts[STOPPED]:,} not run: the batch is stopped"
        yield line, "green" if counts[None] == len(of_task) else "bold"
        for answer in of_task:
            if answer.next_run == RUNS:
                yield f"    {answer.stage} {answer.batch}".rstrip() + f": {answer.reason}", "yellow"


def _name_task(answer: Answer) -> str:
    """The task of a stage: Load, of "Load users"."""
    return answer.stage.split()[0]
