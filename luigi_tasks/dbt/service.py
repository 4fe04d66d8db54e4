"""The dbt service: importing dbt and reading the project cost seconds, and here they are spent once a run.

    python -m luigi_tasks.dbt.service PROJECT TARGET --address SOCKET

It answers the operations of luigi_tasks/dbt/messages.py at the Unix socket SOCKET. What was parsed is kept in the
folder TARGET, so that the next run parses only what has changed since.
"""

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from luigi_tasks.dbt import project
from luigi_tasks.dbt.messages import (
    INVOKE,
    RELATIONS_OF_MARTS,
    InvokeRequest,
    InvokeResult,
    NodeResult,
    RelationsRequest,
    RelationsResult,
)
from luigi_tasks.dbt.publication import Relation
from spark_jobs.messages import JobProgress, Tell
from spark_jobs.messages.exchange import Handler, serve

NICENESS = 10


class Project:
    """The dbt project, parsed when it is made."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._folder = folder
        self._logs = target / "logs"
        self._options = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--target-path", str(target)]
        self._parse()

    def _parse(self) -> None:
        from dbt.cli.main import dbtRunner

        self._sources = project.fingerprint(self._folder)
        parsed: Any = dbtRunner().invoke(["--quiet", "parse", *self._options, "--log-path", str(self._logs)])
        if parsed.exception is not None:
            raise parsed.exception
        self._manifest = parsed.result

    def invoke(self, request: InvokeRequest, tell: Tell) -> InvokeResult:
        """Run a command of dbt, after parsing the project again where it has changed."""
        from dbt.cli.main import dbtRunner

        self._parse_what_changed()
        log = Path(request.log)
        output = ["--no-use-colors", "--log-level-file", "none", "--log-path", str(self._logs)]
        arguments = [*request.arguments, *self._options, *output]
        with _output_to(log), _session_options(request.pgoptions):
            runner = dbtRunner(manifest=self._manifest, callbacks=[Progress(tell).hear])
            ended: Any = runner.invoke([*arguments, "--no-write-json"])
        if ended.exception is not None:
            raise ended.exception
        return InvokeResult(ended.success, [_summarize_node(result) for result in ended.result.results])

    def relations_of_marts(self, request: RelationsRequest, tell: Tell) -> RelationsResult:
        """What has to be published; see project.relations_of_marts."""
        self._parse_what_changed()
        return RelationsResult([Relation(**found) for found in project.relations_of_marts(self._manifest)])

    def _parse_what_changed(self) -> None:
        if project.fingerprint(self._folder) != self._sources:
            self._parse()


class Progress:
    """How many of the models or tests of a command are done, by what dbt says."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._total = 0
        self._numbers = itertools.count(1)  # which threads may share

    def hear(self, event: Any) -> None:
        """Take in something that dbt says: how many there are, or that one is done."""
        if event.info.name == "ConcurrencyLine":
            self._total = event.data.node_count
        elif event.info.name == "NodeFinished":
            done = next(self._numbers)
            status = f"{done:,} of {self._total:,}, {event.data.node_info.node_name} the last"
            self._tell(JobProgress(done, self._total, status, url=None))


def _summarize_node(result: Any) -> NodeResult:
    rows = result.adapter_response.get("rows_affected", 0)
    return NodeResult(result.node.name, str(result.status), result.message, rows)


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Have this process's output go to a file for a while."""
    kept = {number: os.dup(number) for number in (1, 2)}
    with log.open("ab") as file:
        for number in kept:
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)


@contextlib.contextmanager
def _session_options(options: str) -> Iterator[None]:
    """Have libpq open its connections with these settings, and those that were there, which have the last word."""
    before = os.environ.get("PGOPTIONS", "")
    os.environ["PGOPTIONS"] = f"{options} {before}".strip()
    try:
        yield
    finally:
        os.environ["PGOPTIONS"] = before


def main() -> None:
    """Read the project, at a low priority while others are at work, and serve at the usual one."""
    parser = argparse.ArgumentParser(prog="luigi_tasks.dbt.service")
    parser.add_argument("project", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--address", required=True)
    arguments = parser.parse_args()
    # on Linux a thread has a priority of its own, and needs no right to go back to a higher one
    with ThreadPoolExecutor(1, initializer=partial(os.nice, NICENESS)) as thread:
        project = thread.submit(Project, arguments.project, arguments.target).result()
    serve(
        arguments.address,
        [Handler(INVOKE, project.invoke), Handler(RELATIONS_OF_MARTS, project.relations_of_marts)],
    )


if __name__ == "__main__":
    main()
