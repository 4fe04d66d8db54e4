"""A run that somebody watches: live on a terminal, as JSON Lines for scripts, or else as plain lines.

The run is a child; what is shown of it is what its journal and its log tell.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from luigi_tasks import paths, run_id
from luigi_tasks.processes import child_process
from luigi_tasks.runs import journal
from luigi_tasks.runs.journal import Event, StageProgress, StageRecord
from luigi_tasks.stages.base import format_title
from spark_jobs.schemas import TABLES

STAGES = ("Extract", "Clean", "Audit", *(f"Load {table}" for table in TABLES), "DbtRun", "DbtTest", "Publish", "Report")
SECONDS_BETWEEN = 0.1
BAR_WIDTH = 16
HEAD = re.compile(r"\d\d:\d\d:\d\d (?P<level>[A-Z]+) ")
"""How the first line of something logged begins; its further lines do not."""


def run(arguments: Sequence[str], as_json: bool) -> int:
    """Run luigi with these arguments and show it; its exit code."""
    log = journal.make_run_folder() / "luigi.log"
    argv = [str(Path(sys.executable).with_name("luigi")), "--module", "luigi_tasks", *arguments]
    started = time.monotonic()
    with _told_of_signals(child_process.start(argv, os.environ, log)) as process:
        if as_json:
            code = _follow(process, log, Unordinary(_complain).show, print)
            seconds = round(time.monotonic() - started, 2)
            print(json.dumps({"event": "ended", "run": run_id.get_run_id(), "exit_code": code, "seconds": seconds}))
            return code
        if not sys.stdout.isatty():
            return _follow(process, log, _complain, lambda line: None)
        view, console = View(), Console()
        with Live(get_renderable=view.render, console=console, transient=True):
            return _follow(process, log, Unordinary(console.out).show, view.take_in)


def _follow(
    process: subprocess.Popen[bytes], log: Path, show_line: Callable[[str], None], show_event: Callable[[str], None]
) -> int:
    """Show the lines of the log and of the journal as they come, until the run has ended; its exit code."""
    followed = {show_line: Tail(log), show_event: Tail(paths.journal(run_id.get_run_id()))}
    has_ended = False
    while not has_ended:
        has_ended = process.poll() is not None
        for show, tail in followed.items():
            for line in tail.lines():
                show(line)
        sys.stdout.flush()
        time.sleep(0 if has_ended else SECONDS_BETWEEN)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


@contextmanager
def _told_of_signals(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Have the run end when this process is told to: whoever watches it sees how."""

    def tell(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield process
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Tail:
    """A file that others append lines to, and that may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def lines(self) -> list[str]:
        """The lines that were completed since the last time."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._read += len(whole) + 1
        return whole.decode("utf-8", "replace").splitlines()


class Unordinary:
    """Shows the lines of a log that are more than information."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._is_ordinary = False

    def show(self, line: str) -> None:
        head = HEAD.match(line)
        if head:
            self._is_ordinary = head["level"] == "INFO"
        if not self._is_ordinary:
            self._show(line)


class View:
    """What a terminal shows of a run: a line a stage, waiting, at work, or done."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._at_work: dict[str, StageProgress] = {}
        self._done: dict[str, list[StageRecord]] = {}

    def take_in(self, line: str) -> None:
        """A line of the journal."""
        for event in journal.parse_events([line]):
            self._take_in(event)

    def _take_in(self, event: Event) -> None:
        if isinstance(event, StageProgress):
            self._at_work[event.stage] = event
        elif isinstance(event, StageRecord):
            self._at_work.pop(event.stage, None)
            self._done.setdefault(event.stage, []).append(event)

    def render(self) -> Group:
        """The stages as they are now."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(min_width=1)
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(width=BAR_WIDTH)
        table.add_column(justify="right", no_wrap=True, min_width=8)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for stage in dict.fromkeys([*STAGES, *self._done, *self._at_work]):
            table.add_row(*self._line(stage))
        seconds = time.monotonic() - self._started
        pages = {progress.url: None for progress in self._at_work.values() if progress.url}
        below = [
            f"{seconds:,.0f} s",
            f"run {run_id.get_run_id()}",
            f"logs in {journal.make_run_folder()}",
            *map(str, pages),
        ]
        return Group(table, Text("  ".join(below), style="dim", overflow="fold"))

    def _line(self, stage: str) -> tuple[Text | Spinner, Text, ProgressBar | Text, Text, Text]:
        if progress := self._at_work.get(stage):
            bar = ProgressBar(100, progress.percent, width=BAR_WIDTH)
            took = Text(f"{time.time() - progress.started:,.1f} s")
            return Spinner("dots"), Text(progress.title), bar, took, Text(progress.status)
        if done := self._done.get(stage):
            return _of_finished(done)
        return Text("·", "dim"), Text(stage, "dim"), Text(), Text(), Text()


def _of_finished(entries: Sequence[StageRecord]) -> tuple[Text, Text, Text, Text, Text]:
    """A line for a stage that ran, once or for several batches."""
    failed = [entry for entry in entries if entry.outcome == journal.FAILED]
    mark, outcome = (Text("✗", "red"), Text("failed", "red")) if failed else (Text("✓", "green"), Text("done", "green"))
    batches = [batch for entry in entries for batch in entry.batches]
    title = format_title(entries[0].stage, batches) if batches else entries[0].title
    rows = [entry.rows for entry in entries if entry.rows is not None]
    seconds = Text(f"{sum(entry.seconds for entry in entries):,.1f} s")
    return mark, Text(title), outcome, seconds, Text(f"{sum(rows):,} rows" if rows else "")
