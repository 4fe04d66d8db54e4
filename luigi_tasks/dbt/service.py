"""The companion that runs dbt: importing dbt and reading the project cost seconds, and here they are spent once.

    python -m luigi_tasks.dbt_service PROJECT TARGET DESCRIPTOR

answers `invoke` and `relations_of_marts` (see Project) on the socket DESCRIPTOR. What was parsed is kept in the folder
TARGET, from where the next process has only the files read that have changed since.
"""

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
from spark_jobs.engine.request_server import Tell, serve

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

    def invoke(self, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Run dbt with `arguments`, its output added to the file `log`, and `pgoptions` for each of its sessions.

        Returns `success`, and a list `results` of what each model or test came to: name, status, message, rows.
        The project is read again where it is no longer what was parsed.
        """
        from dbt.cli.main import dbtRunner

        self._parse_what_changed()
        log = Path(request["log"])
        output = ["--no-use-colors", "--log-level-file", "none", "--log-path", str(self._logs)]
        arguments = [*request["arguments"], *self._options, *output]
        with _output_to(log), _session_options(request["pgoptions"]):
            runner = dbtRunner(manifest=self._manifest, callbacks=[Progress(tell).hear])
            ended: Any = runner.invoke([*arguments, "--no-write-json"])
        if ended.exception is not None:
            raise ended.exception
        return {"success": ended.success, "results": [_as_json(result) for result in ended.result.results]}

    def relations_of_marts(self, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """What has to be published, as `relations`; see project.relations_of_marts."""
        self._parse_what_changed()
        return {"relations": project.relations_of_marts(self._manifest)}

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
            self._tell({"done": done, "total": self._total, "status": status})


def _as_json(result: Any) -> dict[str, Any]:
    rows = result.adapter_response.get("rows_affected", 0)
    return {"name": result.node.name, "status": str(result.status), "message": result.message, "rows": rows}


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
    folder, target, descriptor = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    # on Linux a thread has a priority of its own, and needs no right to go back to a higher one
    with ThreadPoolExecutor(1, initializer=partial(os.nice, NICENESS)) as thread:
        project = thread.submit(Project, folder, target).result()
    serve(descriptor, {"invoke": project.invoke, "relations_of_marts": project.relations_of_marts})


if __name__ == "__main__":
    main()
