"""The base of all stages: the template of a run, and the one place that decides whether a stage is up to date."""

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Self, TypeVar

import luigi
from luigi.task import flatten
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import warehouse
from luigi_tasks.errors import PipelineError, describe_error, explain_limits
from luigi_tasks.runs import journal, lifecycle, signals
from luigi_tasks.stages import inspection
from luigi_tasks.stages.answers import share_answers
from luigi_tasks.stages.progress import ProgressReporter, track_stage
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.landing_files import format_name
from luigi_tasks.targets.marker import Marker
from luigi_tasks.targets.stored_checkpoints import share_listings
from luigi_tasks.texts import count

BETWEEN_NAMES = "/"
"""Separates the batches of one task. No name of an entry of the landing folder holds one."""

ARGUMENTS = re.compile(r"\[args=.*?, kwargs=.*?\](?=: )")
"""How Luigi shows what it was called with."""

Result = TypeVar("Result")


class BatchParameter(luigi.Parameter):
    """The name of a batch, in the form in which the landing folder is listed: what no name may hold is escaped."""

    def parse(self, text: str) -> str:
        """Return the name for what the command line says."""
        return format_name(text)


class Stage(luigi.Task):
    """A task that is complete when its target is there whole and was built from what stands now.

    A stage says what it requires, its output, what that is built from, and how it is built (`build`). Everything
    upstream is asked first. A stage that was scheduled because something before it had to be rebuilt has nothing to do
    when that came out the same.
    """

    batch = BatchParameter(default="", description="only this batch, by its name in the landing folder")
    reads_warehouse = True
    """Whether what is in the warehouse decides if the stage is up to date."""

    @classmethod
    @cache
    def get_params(cls) -> list[tuple[str, luigi.Parameter]]:
        """The parameters of a class, which Luigi would search for whenever it makes or looks up a task."""
        return super().get_params()

    @classmethod
    def get_param_values(cls, params: list[tuple[str, luigi.Parameter]], args: Any, kwargs: Any) -> Any:
        """The parameters' values. Raises PipelineError where the command line lacks one, or has an invalid one."""
        try:
            return super().get_param_values(params, args, kwargs)
        except (ValueError, luigi.parameter.ParameterException) as error:
            name = cls.get_task_family()
            fault = ARGUMENTS.sub("", str(error.__cause__ or error))
            raise PipelineError(f"{fault}; luigi --module luigi_tasks {name} --help says what it takes") from error

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.check_error: Exception | None = None  # what kept the stage from finding out whether it is up to date
        lifecycle.prepare_run()

    def built_from(self) -> BuiltFrom:
        """Fingerprints of what the target must have been built from: inputs, code, settings."""
        raise NotImplementedError

    def check_target(self) -> str | None:
        """Why the target is missing, damaged, or built from something else; None when it is up to date."""
        return self.output().find_stale_reason(self.built_from())

    def build(self, stale: Sequence[Self], progress: ProgressReporter) -> None:
        """Build the targets of the stale tasks: this one, or those of its batches."""
        raise NotImplementedError

    def run(self) -> Any:
        """Build what is stale, with its start, progress and end told to the log, the journal and luigid."""
        stale = self.list_stale_tasks()
        if stale:
            tracked = track_stage(self, self.describe_scope(stale))
            with signals.keep_exits(), tracked as progress, share_listings(), explain_limits():
                self.build(stale, progress)

    def complete(self) -> bool:
        """Whether the stage and everything upstream is up to date. Only answers: changes and starts nothing."""
        try:
            return self.find_stale_reason() is None
        except Exception as error:  # which Luigi passes on to the log only
            self.check_error = error
            raise

    def deps(self) -> list[luigi.Task]:
        """What the stage requires. Luigi asks once it knows that the stage is stale: what that needs is started."""
        lifecycle.expect_work(self.start_services)
        return flatten(self.requires())

    def _requires(self) -> list[luigi.Task]:
        """The same for Luigi's own summary of a run that has ended, because the warehouse is away perhaps."""
        try:
            return flatten(self.requires())
        except PipelineError:
            return []

    def on_failure(self, exception: BaseException) -> str:
        """What luigid shows of a failure: a sentence where that is enough, else the traceback."""
        is_told = isinstance(exception, PipelineError | SystemExit)
        return describe_error(exception) if is_told else str(super().on_failure(exception))

    def start_services(self) -> None:
        """Start, without waiting for it, what the stage will need and what takes long to start."""

    def find_stale_reason(self) -> str | None:
        """Why this stage is not up to date, None when it is. Each stage is asked once a check."""
        with share_answers(self.batches) as answers:
            if self.task_id not in answers:
                answers[self.task_id] = self._check()
            return answers[self.task_id]

    def _check(self) -> str | None:
        if self.reads_warehouse:
            inspection.inspect_once()
        upstream = self.find_stale_upstream()
        return f"{upstream.title} is not up to date" if upstream else self.check_target()

    def find_stale_upstream(self) -> "Stage | None":
        """The first stage that has to be brought up to date before this one can be, None if all are."""
        return next((stage for stage in self.list_upstream() if stage.find_stale_reason()), None)

    def list_upstream(self) -> Iterable["Stage"]:
        """The stages that must be up to date before this one can be."""
        return flatten(self.requires())

    def list_stale_tasks(self) -> Sequence[Self]:
        """This task, where its own target is stale."""
        return [self] if self.check_target() else []

    def write_and_mark(
        self,
        marker: Marker,
        built_from: BuiltFrom,
        write: Callable[[Cursor], Result],
        describe_content: Callable[[Result], str] = lambda result: "",
    ) -> Result:
        """Change the warehouse and write the marker that says from what, in one transaction, retried as a whole.

        `describe_content` makes the marker's content of what `write` returned.
        """

        def attempt() -> Result:
            with warehouse.transaction() as cursor:
                result = write(cursor)
                marker.touch(cursor, built_from, describe_content(result))
            return result

        return warehouse.retry_transaction(self.title, attempt)

    @property
    def batches(self) -> list[str]:
        """The batches that the task is about; empty where it is about all."""
        return sorted(self.batch.split(BETWEEN_NAMES)) if self.batch else []

    @property
    def kind(self) -> str:
        """The stage's name, whatever batches the task is about: `Extract`, `Load users`."""
        return self.task_family

    @property
    def title(self) -> str:
        """What people call the task: `Load users 2026-11-23`."""
        return self.kind

    def describe_scope(self, stale: Sequence[Self]) -> str:
        """What the log says the stage is about."""
        return "all batches"


class BatchStage(Stage):
    """A stage that is built batch by batch. Luigi hands many ready batches to one task, their names joined."""

    batch = BatchParameter(
        batch_method=BETWEEN_NAMES.join, description="the batch's name: its entry in the landing folder"
    )

    def split_batches(self) -> Sequence[Self]:
        """One task a batch."""
        return [self.clone(batch=name) for name in self.batches]

    def list_stale_tasks(self) -> Sequence[Self]:
        """The tasks, one a batch, whose own targets are stale."""
        with share_answers(self.batches):
            return [task for task in self.split_batches() if task.check_target()]

    def list_upstream(self) -> Iterable[Stage]:
        return self.split_batches() if BETWEEN_NAMES in self.batch else super().list_upstream()

    def _check(self) -> str | None:
        if BETWEEN_NAMES in self.batch:
            return next((reason for task in self.split_batches() if (reason := task.find_stale_reason())), None)
        return super()._check()

    @property
    def title(self) -> str:
        return format_title(self.kind, self.batches)

    def describe_scope(self, stale: Sequence[Self]) -> str:
        return count_batches(len(stale))


@Stage.event_handler(luigi.Event.FAILURE)
@Stage.event_handler(luigi.Event.BROKEN_TASK)
def _note_failure(stage: Stage, error: BaseException) -> None:
    with contextlib.suppress(OSError, PipelineError):  # where no log can be written, that is what is said
        journal.append_event(journal.StageFailure(stage.title, describe_error(error)))


@Stage.event_handler(luigi.Event.DEPENDENCY_MISSING)
def _note_failed_check(stage: Stage) -> None:
    if stage.check_error:
        _note_failure(stage, stage.check_error)


def list_stale(stages: Iterable[Stage]) -> list[Stage]:
    """The stages that are not up to date; what they share is asked once."""
    with share_answers():
        return [stage for stage in stages if stage.find_stale_reason()]


def format_title(stage: str, batches: Sequence[str]) -> str:
    """What people call a stage of one batch or of several: `Clean 2026-11-22 and 3 more`."""
    return f"{stage} {batches[0]}" + (f" and {len(batches) - 1} more" if len(batches) > 1 else "")


def count_batches(number: int) -> str:
    """A number of batches in words."""
    return count(number, "batch", "batches")
