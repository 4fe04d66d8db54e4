"""Client programs of PostgreSQL as commands: each hands its arguments on."""

import shutil
import signal
import subprocess
from functools import partial

import click

from luigi_tasks import warehouse
from luigi_tasks.cli import audit
from luigi_tasks.cli.command_group import ProjectCommand
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import environment

CLIENTS = {
    "psql": "Open psql on the warehouse",
    "pg_dump": "Back up the warehouse",
    "pg_restore": "Restore a backup (-d names the database)",
}
"""Client programs of PostgreSQL that `socialmart` runs, and what they do."""


def find_client(program: str) -> str:
    """The path of a client program: the embedded server's own, or the one on PATH for a named server."""
    path = shutil.which(program) if warehouse.is_external() else str(warehouse.start_embedded().find_program(program))
    if path is None:
        raise PipelineError(f"{program}: not on PATH; install PostgreSQL's client programs, of the server's version")
    return path


def run_client(path: str, arguments: tuple[str, ...]) -> int:
    """Run a client program on the warehouse.

    Ctrl-C is the client's alone: psql cancels its query. Other signals that would end this process go to it.
    """
    environ = environment.make_client_environment(warehouse.get_libpq_variables())
    signal.signal(signal.SIGINT, lambda number, frame: None)  # the client inherits no handler
    with subprocess.Popen([path, *arguments], env=environ) as process:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: process.send_signal(number))
        code = process.wait()
    return code if code >= 0 else 128 - code


def run_entered_client(program: str, arguments: tuple[str, ...]) -> int:
    """Run a client program, which the audit chain tells if it can, but never its arguments: they may hold values."""
    path = find_client(program)
    with audit.entered(program, is_required=False) as found:
        code = run_client(path, arguments)
        found.update(code=code, outcome="failed" if code else "done")
    return code


def make_client_command(program: str, purpose: str) -> click.Command:
    """A command that hands all its arguments but --help to a client program; after -- it hands on that, too."""
    return ProjectCommand(
        program,
        callback=partial(run_entered_client, program),
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        help=f"{purpose}. Further arguments go to {program}.",
        context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    )


def list_client_commands() -> list[click.Command]:
    """A command for each client program."""
    return [make_client_command(program, purpose) for program, purpose in CLIENTS.items()]
