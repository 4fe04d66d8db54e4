"""The base of all stages. Here, and nowhere else, it is decided whether a stage is up to date."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import luigi
from luigi.task import flatten

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import journal, lifecycle, record
from luigi_tasks.targets import marker
from luigi_tasks.targets.checkpoint import BuiltFrom

BETWEEN_NAMES = "/"
"""No name of an entry of the landing folder holds one."""

_answers: ContextVar[dict[str, str | None] | None] = ContextVar("answers", default=None)
_up_to_date: set[str] = set()
"""Ids of the stages that this process found up to date. In a run they stay so: what changes meanwhile is the next's."""


class Stage(luigi.Task):
    """A task that is complete when its target is there whole and was built from what stands now.

    A stage says what it is built from (`built_from`) and how its target is compared with that (`target_stale`);
    everything upstream is asked first. `run` skips what turned out to be up to date: a stage that was scheduled
    because something before it had to be rebuilt has nothing to do when that came out the same.
    """

    batch = luigi.Parameter(default="", description="only this batch, by its name in the landing folder")

    @classmethod
    @cache
    def get_params(cls) -> list[tuple[str, luigi.Parameter]]:
        """The parameters of a class, which Luigi would search for whenever it makes or looks up a task."""
        return super().get_params()

    @classmethod
    def get_param_values(cls, params: list[tuple[str, luigi.Parameter]], args: Any, kwargs: Any) -> Any:
        """The parameters' values. Raises PipelineError where the command line has none, or one that does not do."""
        try:
            return super().get_param_values(params, args, kwargs)
        except (ValueError, luigi.parameter.ParameterException) as error:
            name = cls.get_task_family()
            raise PipelineError(
                f"{error.__cause__ or error}; luigi --module luigi_tasks {name} --help says what it takes"
            ) from error

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lifecycle.begin_on_command_line()

    @property
    def batches(self) -> list[str]:
        """The batches that it is about; none where it is about all."""
        return sorted(self.batch.split(BETWEEN_NAMES)) if self.batch else []

    def built_from(self) -> BuiltFrom:
        """Fingerprints of what the target must have been built from: inputs, code, settings."""
        raise NotImplementedError

    def target_stale(self) -> str | None:
        """Why the target does not do; None when it does."""
        raise NotImplementedError

    def upstream(self) -> Iterable["Stage"]:
        """The stages that must be up to date before this one can be."""
        return flatten(self.requires())

    def why_stale(self) -> str | None:
        """Why this stage is not up to date, None when it is. Each stage is asked once a check."""
        with one_check(self.batches) as answers:
            if self.task_id not in answers:
                answers[self.task_id] = self._why_stale()
            return answers[self.task_id]

    def _why_stale(self) -> str | None:
        for stage in self.upstream():
            if stage.why_stale():
                return f"{stage.title} is not up to date"
        return self.target_stale()

    def warm_up(self) -> None:
        """Start what the stage will need and what takes time to start; called once it is clear that it has to run."""

    def complete(self) -> bool:
        lifecycle.begin()
        try:
            if self.why_stale() is None:
                return True
        except Exception as error:  # of which Luigi tells nobody but the log
            _note(self, error)
            raise
        self.warm_up()
        warehouse.hold()
        record.conclude_run_at_exit()  # again: while the warehouse is held
        return False

    @property
    def kind(self) -> str:
        """How people call it, whatever batches it is about."""
        return self.task_family

    @property
    def title(self) -> str:
        """How people call it."""
        return self.kind


@Stage.event_handler(luigi.Event.FAILURE)
@Stage.event_handler(luigi.Event.BROKEN_TASK)
def _note(stage: Stage, error: BaseException) -> None:
    reason = "it was ended" if isinstance(error, SystemExit) else str(error)
    with contextlib.suppress(OSError, PipelineError):  # where no log can be written, that is what is said
        journal.append_event(journal.StageFailure(stage.title, reason or type(error).__name__))


def stale(stages: Iterable[Stage]) -> list[Stage]:
    """Those that are not up to date; what they share is asked once."""
    with one_check():
        return [stage for stage in stages if stage.why_stale()]


class BatchStage(Stage):
    """A stage that is built batch by batch. Luigi hands many ready batches to one run, their names joined."""

    batch = luigi.Parameter(
        batch_method=BETWEEN_NAMES.join, description="the batch's name: its entry in the landing folder"
    )

    def each(self) -> Sequence["BatchStage"]:
        """One task a batch."""
        return [self.clone(batch=name) for name in self.batches]

    def pending(self) -> list[Any]:
        """The tasks, one a batch, that still have something to do."""
        with one_check(self.batches):
            return [task for task in self.each() if task.target_stale()]

    def upstream(self) -> Iterable[Stage]:
        if BETWEEN_NAMES in self.batch:
            return self.each()
        return super().upstream()

    def _why_stale(self) -> str | None:
        if BETWEEN_NAMES in self.batch:
            return next((reason for task in self.each() if (reason := task.why_stale())), None)
        return super()._why_stale()

    @property
    def title(self) -> str:
        return title_of(self.kind, self.batches)


def title_of(stage: str, batches: Sequence[str]) -> str:
    """How people call a stage of one batch or of many."""
    return f"{stage} {batches[0]}" + (f" and {len(batches) - 1} more" if len(batches) > 1 else "")


def counted(batches: int) -> str:
    """So many batches, in words."""
    return "1 batch" if batches == 1 else f"{batches:,} batches"


@contextmanager
def one_check(batches: Sequence[str] = ()) -> Iterator[dict[str, str | None]]:
    """The answers given so far within the outermost question, which is about these batches, or about all."""
    answers = _answers.get()
    if answers is not None:
        yield answers
        return
    answers = dict.fromkeys(_up_to_date)
    token = _answers.set(answers)
    try:
        with marker.looked_up_once(batches):
            yield answers
    finally:
        _answers.reset(token)
        _up_to_date.update(stage for stage, reason in answers.items() if reason is None)
