"""Commands about the audit chain."""

from dataclasses import asdict
from pathlib import Path

import click

from luigi_tasks.cli import audit, output
from luigi_tasks.cli.command_group import CommandGroup
from luigi_tasks.cli.json_output import json_option, print_json


@click.group("audit", cls=CommandGroup)
def tell_audit() -> None:
    """Say who ran, exported and changed what."""


@tell_audit.command("verify")
@click.option("--anchor", "anchors", multiple=True, metavar="HASH@POSITION", help="An anchor noted before; repeatable.")
@click.option(
    "--log",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file with anchors: a log, a message; repeatable. Without --anchor and --log, the journals of runs.",
)
@json_option
def verify_audit(anchors: tuple[str, ...], files: tuple[Path, ...], as_json: bool) -> int:
    """Find entries of the audit chain that were changed, deleted or inserted. Ends with 1 where there are some."""
    verdict = audit.verify_chain(audit.read_anchors(anchors, files))
    if as_json:
        print_json(asdict(verdict))
    else:
        output.print_lines(audit.describe_verdict(verdict))
    return int(bool(verdict.faults))


@tell_audit.command("show")
@click.option("--run", help="Only the entries of this run.")
@json_option
def show_audit(run: str | None, as_json: bool) -> None:
    """List the entries of the audit chain."""
    entries = audit.list_entries(run)
    if as_json:
        print_json([audit.make_fields(entry) for entry in entries])
    else:
        output.print_lines(audit.describe_entries(entries))
