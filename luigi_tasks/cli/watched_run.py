"""Runs luigi as a child process and shows its progress: live on a terminal, as JSON Lines, or as plain lines.

What is shown comes from the run's journal and its log.
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

from luigi_tasks import paths, run_id
from luigi_tasks.cli.output import print_to_stderr
from luigi_tasks.processes import child_process
from luigi_tasks.runs import journal
from luigi_tasks.texts import format_lines

SECONDS_BETWEEN_LOOKS = 0.1
"""Seconds between two reads of journal and log: often enough to look live."""
FIRST_LINE = re.compile(r"\d\d:\d\d:\d\d (?P<level>[A-Z]+) ")
"""How the first line of a log record begins; further lines of the same record do not."""

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PrintLine = Callable[[str], None]


def run_luigi(arguments: Sequence[str], as_json: bool) -> int:
    """Run luigi with these arguments and show it at work. Returns its exit code."""
    log = journal.make_run_folder() / "luigi.log"
    argv = [str(Path(sys.executable).with_name("luigi")), "--module", "luigi_tasks", *arguments]
    started = time.monotonic()
    with _forward_signals(child_process.start(argv, os.environ, log)) as process:
        if as_json:
            code = _note_end(_follow(process, log, NotableLines(print_to_stderr).print_line, print))
            seconds = round(time.monotonic() - started, 2)
            print(json.dumps({"event": "ended", "run": run_id.get_run_id(), "exit_code": code, "seconds": seconds}))
            return code
        if not sys.stdout.isatty():
            return _note_end(_follow(process, log, print_to_stderr, lambda event: None))
        from luigi_tasks.cli import live_view

        with live_view.open_view() as (console, view):
            return _note_end(_follow(process, log, NotableLines(console.out).print_line, view.add_line))


def _follow(process: subprocess.Popen[bytes], log: Path, print_line: PrintLine, print_event: PrintLine) -> int:
    """Show the lines of log and journal as they are written, until the run has ended. Returns its exit code."""
    log_tail, journal_tail = Tail(log), Tail(paths.journal(run_id.get_run_id()))
    has_ended = False
    while not has_ended:
        has_ended = process.poll() is not None
        for line in log_tail.read_lines():
            print_line(format_lines(line))
        for line in journal_tail.read_lines():
            print_event(line)
        sys.stdout.flush()
        time.sleep(0 if has_ended else SECONDS_BETWEEN_LOOKS)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _note_end(code: int) -> int:
    """Note in the journal how a run ended that could not do so itself: it was refused, or killed. Returns its code."""
    if journal.read_end(run_id.get_run_id()) is None and code:
        journal.append_event(journal.RunEnd(code, "the reason is in luigi.log", ""))
    return code


@contextmanager
def _forward_signals(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """While the block lasts, SIGINT, SIGTERM and SIGHUP go to the run, so that its end is seen as well."""

    def forward(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    numbers = [number for number in FORWARDED if signal.getsignal(number) != signal.SIG_IGN]  # SIGHUP under nohup
    before = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield process
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Tail:
    """Reads a file to which others append lines. The file need not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes_read = 0

    def read_lines(self) -> list[str]:
        """The lines completed since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._bytes_read)
            complete, newline, _ = file.read().rpartition(b"\n")
        self._bytes_read += len(complete) + len(newline)
        return complete.decode("utf-8", "replace").split("\n") if newline else []


class NotableLines:
    """Prints the log records above the level INFO, with all their lines."""

    def __init__(self, print_line: PrintLine) -> None:
        self._print_line = print_line
        self._is_notable = True

    def print_line(self, line: str) -> None:
        """Print a line of the log if it belongs to such a record."""
        first_line = FIRST_LINE.match(line)
        if first_line:
            self._is_notable = first_line["level"] != "INFO"
        if self._is_notable:
            self._print_line(line)
