"""The live view of a run on a terminal: a line a stage, waiting, at work, or finished."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from luigi_tasks import run_id
from luigi_tasks.cli.output import make_text
from luigi_tasks.runs import journal
from luigi_tasks.runs.journal import StageProgress, StageRecord
from luigi_tasks.stages.base import format_title
from luigi_tasks.stages.registry import list_stage_kinds
from luigi_tasks.texts import count

BAR_WIDTH = 16
"""Columns of a progress bar: leaves room for title and status on a terminal of 80."""

Row = tuple[Text | Spinner, Text, ProgressBar | Text, Text, Text]
"""Mark, title, bar or outcome, seconds, status or rows."""


class LiveView:
    """What a terminal shows of a run. It learns from the lines of the run's journal."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._at_work: dict[str, StageProgress] = {}
        self._finished: dict[str, list[StageRecord]] = {}

    def add_line(self, line: str) -> None:
        """Take a line of the journal into account."""
        for event in journal.parse_events([line]):
            if isinstance(event, StageProgress):
                self._at_work[event.stage] = event
            elif isinstance(event, StageRecord):
                self._at_work.pop(event.stage, None)
                self._finished.setdefault(event.stage, []).append(event)

    def render(self) -> Group:
        """The stages as they are now, and below them where there is more to see."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(min_width=1)
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(width=BAR_WIDTH)
        table.add_column(justify="right", no_wrap=True, min_width=8)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for stage in dict.fromkeys([*(kind.name for kind in list_stage_kinds()), *self._finished, *self._at_work]):
            table.add_row(*self._make_row(stage))
        return Group(table, self._render_footer())

    def _render_footer(self) -> Text:
        """Seconds so far, the run's id, its logs, and the pages of the stages at work, each once."""
        seconds = time.monotonic() - self._started
        pages = dict.fromkeys(progress.url for progress in self._at_work.values() if progress.url)
        parts = [f"{seconds:,.0f} s", f"run {run_id.get_run_id()}", f"logs in {journal.make_run_folder()}", *pages]
        footer = make_text("  ".join(parts), "dim")
        footer.overflow = "fold"
        return footer

    def _make_row(self, stage: str) -> Row:
        if stage in self._at_work:
            return _make_row_at_work(self._at_work[stage])
        if stage in self._finished:
            return _make_finished_row(self._finished[stage])
        return Text("·", "dim"), Text(stage, "dim"), Text(), Text(), Text()


def _make_row_at_work(progress: StageProgress) -> Row:
    bar = ProgressBar(100, progress.percent, width=BAR_WIDTH)
    seconds = Text(f"{time.time() - progress.started:,.1f} s")
    return Spinner("dots"), make_text(progress.title), bar, seconds, make_text(progress.status)


def _make_finished_row(entries: Sequence[StageRecord]) -> Row:
    """The row of a stage that ran, once or for several batches: failed if any of them failed."""
    has_failed = any(entry.outcome == journal.FAILED for entry in entries)
    mark, outcome = (Text("✗", "red"), Text("failed", "red"))
    if not has_failed:
        mark, outcome = (Text("✓", "green"), Text("done", "green"))
    batches = [batch for entry in entries for batch in entry.batches]
    title = format_title(entries[0].stage, batches) if batches else entries[0].title
    rows = [entry.rows for entry in entries if entry.rows is not None]
    seconds = Text(f"{sum(entry.seconds for entry in entries):,.1f} s")
    return mark, make_text(title), outcome, seconds, Text(count(sum(rows), "row") if rows else "")


@contextmanager
def open_view() -> Iterator[tuple[Console, LiveView]]:
    """Show a live view while the block lasts. Gives the console, for lines to print above it, and the view."""
    console, view = Console(), LiveView()
    with Live(get_renderable=view.render, console=console, transient=True):
        yield console, view
