"""The dbt service: imports dbt and parses the project once, then runs dbt commands for the stages of a run.

    python -m luigi_tasks.dbt.service PROJECT TARGET --address SOCKET

It answers the operations of luigi_tasks/dbt/messages.py at the Unix socket SOCKET. dbt keeps the parsed project in the
folder TARGET, so that the next service parses only the files that have changed since.
"""

import argparse
import contextlib
import gc
import io
import itertools
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from luigi_tasks.dbt import project
from luigi_tasks.dbt.messages import (
    COMPILE_QUERIES,
    INVOKE,
    LIST_MODELS,
    LIST_PUBLISHED_RELATIONS,
    InvokeRequest,
    InvokeResult,
    ModelsRequest,
    ModelsResult,
    NodeResult,
    QueriesResult,
    RelationsRequest,
    RelationsResult,
)
from spark_jobs.messages import JobProgress, Tell
from spark_jobs.messages.exchange import Handler, serve

TOUCHED_KEYS = "touched_keys"
"""The model that tells incremental runs what to rebuild: it has no rows that could be compared."""
PARSED, PARSED_FROM = "partial_parse.msgpack", "parsed_from"
"""Files in dbt's folder TARGET: what dbt has parsed, and the fingerprint of the yml files that it was parsed from."""
NICENESS = 10
"""Added to the process's nice value while it parses, when the stages before dbt need the processors."""


class Project:
    """The dbt project, parsed on construction and again whenever its files have changed."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._folder = folder
        self._target = target
        self._logs = target / "logs"
        self._options = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--target-path", str(target)]
        self._parse()

    def _parse(self) -> None:
        from dbt.cli.main import dbtRunner

        from luigi_tasks.dbt import sessions

        sessions.install()

        self._sources = project.fingerprint_project(self._folder)
        with _stale_parse_dropped(self._target, project.fingerprint_properties(self._folder)):
            parsed: Any = dbtRunner().invoke(["--quiet", "parse", *self._options, "--log-path", str(self._logs)])
            if parsed.exception is not None:
                raise parsed.exception
        self._manifest = parsed.result

    def invoke(self, request: InvokeRequest, tell: Tell) -> InvokeResult:
        """Run a command of dbt and report its progress. Raises what dbt raised."""
        ended = self._run(request, tell)
        return InvokeResult(ended.success, [_read_result(result) for result in ended.result.results])

    def compile_queries(self, request: InvokeRequest, tell: Tell) -> QueriesResult:
        """Run `dbt compile` and list the queries of the models. Raises what dbt raised."""
        ended = self._run(request, tell)
        nodes = [result.node for result in ended.result.results]
        models = [node for node in nodes if node.resource_type == "model" and node.name != TOUCHED_KEYS]
        return QueriesResult({f"{node.schema}.{node.name}": node.compiled_code for node in models})

    def _run(self, request: InvokeRequest, tell: Tell) -> Any:
        from dbt.cli.main import dbtRunner

        self._parse_if_changed()
        output = ["--no-use-colors", "--log-level-file", "none", "--log-path", str(self._logs)]
        arguments = [*request.arguments, *self._options, *output]
        with _output_to(Path(request.log)), _session_options(request.pgoptions):
            runner = dbtRunner(manifest=self._manifest, callbacks=[ProgressListener(tell).hear])
            ended: Any = runner.invoke([*arguments, "--no-write-json"])
        if ended.exception is not None:
            raise ended.exception
        return ended

    def list_models(self, request: ModelsRequest, tell: Tell) -> ModelsResult:
        """List the models that dbt builds."""
        self._parse_if_changed()
        return ModelsResult(project.list_models(self._manifest))

    def list_published_relations(self, request: RelationsRequest, tell: Tell) -> RelationsResult:
        """List what the stage Publish has to publish."""
        self._parse_if_changed()
        return RelationsResult(project.list_published_relations(self._manifest))

    def _parse_if_changed(self) -> None:
        if project.fingerprint_project(self._folder) != self._sources:
            self._parse()


@contextlib.contextmanager
def _stale_parse_dropped(target: Path, properties: str) -> Iterator[None]:
    """Have dbt parse everything in the block where the yml files are not those, by content, that it last parsed.

    dbt goes by their times, and these may be equal: of an archive that was unpacked, of a copy that keeps them.
    """
    parsed_from = target / PARSED_FROM
    if not parsed_from.exists() or parsed_from.read_bytes() != properties.encode():
        parsed_from.unlink(missing_ok=True)
        (target / PARSED).unlink(missing_ok=True)
    yield
    parsed_from.write_text(properties, encoding="utf-8")


class ProgressListener:
    """Counts the models or tests of a command that are done, from the events that dbt fires."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._total = 0
        self._numbers = itertools.count(1)  # safe to share among dbt's threads

    def hear(self, event: Any) -> None:
        """Handle an event of dbt: it says how many nodes there are, or that one is done."""
        if event.info.name == "ConcurrencyLine":
            self._total = event.data.node_count
        elif event.info.name == "NodeFinished":
            done = next(self._numbers)
            status = f"{done:,} of {self._total:,}, {event.data.node_info.node_name} the last"
            self._tell(JobProgress(done, self._total, status, url=None))


def _read_result(result: Any) -> NodeResult:
    rows = result.adapter_response.get("rows_affected", 0)
    return NodeResult(result.node.name, str(result.status), result.message, rows)


class _Log(io.FileIO):
    """A log that loses what its disk has no room for: dbt's work is not affected."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _open_log(descriptor: int) -> TextIO:
    log = io.BufferedWriter(_Log(descriptor, "w", closefd=False))
    return io.TextIOWrapper(log, encoding="utf-8", errors="backslashreplace", line_buffering=True)


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Append this process's output to a file while the block lasts."""
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
    """Add options to PGOPTIONS while the block lasts."""
    before = os.environ.get("PGOPTIONS", "")
    os.environ["PGOPTIONS"] = f"{before} {options}".strip()
    try:
        yield
    finally:
        os.environ["PGOPTIONS"] = before


def end_on_sigterm(folder: Path) -> None:
    """Have SIGTERM end this process at once, whatever its threads wait for, and without the folder of its socket."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.set_wakeup_fd(writer)  # where Python writes a signal at once, even if the main thread waits in a library
    threading.Thread(target=_await_sigterm, args=(reader, folder), daemon=True).start()


def _await_sigterm(reader: int, folder: Path) -> None:
    while os.read(reader, 1)[0] != signal.SIGTERM:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(128 + signal.SIGTERM)


def main() -> None:
    """Parse the project at a low priority, while other stages are at work, then serve at the usual one."""
    parser = argparse.ArgumentParser(prog="luigi_tasks.dbt.service")
    parser.add_argument("project", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--address", required=True)
    arguments = parser.parse_args()
    sys.stdout, sys.stderr = _open_log(1), _open_log(2)
    end_on_sigterm(Path(arguments.address).parent)
    gc.disable()  # what is imported and parsed stays
    # on Linux a thread has a priority of its own, and needs no right to go back to a higher one
    with ThreadPoolExecutor(1, initializer=partial(os.nice, NICENESS)) as thread:
        served = thread.submit(Project, arguments.project, arguments.target).result()
    gc.freeze()
    gc.enable()
    serve(
        arguments.address,
        [
            Handler(INVOKE, served.invoke),
            Handler(LIST_MODELS, served.list_models),
            Handler(LIST_PUBLISHED_RELATIONS, served.list_published_relations),
            Handler(COMPILE_QUERIES, served.compile_queries),
        ],
    )


if __name__ == "__main__":
    main()
