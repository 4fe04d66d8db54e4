"""Commands about the exports that can be read."""

from dataclasses import asdict
from pathlib import Path

import click

from luigi_tasks import settings_files
from luigi_tasks.cli import output
from luigi_tasks.cli.command_group import CommandGroup
from luigi_tasks.cli.json_output import json_option, print_json


@click.group("sources", cls=CommandGroup, invoke_without_command=True)
@json_option
@click.pass_context
def list_sources(context: click.Context, as_json: bool) -> None:
    """List the exports that can be read. `socialmart sources try FILE` shows what one would become."""
    settings_files.require_project()
    if context.invoked_subcommand:
        return
    from luigi_tasks.cli import sources

    found = sources.list_known_sources()
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        output.print_lines(sources.list_source_lines(found))


@list_sources.command("try")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@json_option
def try_source(path: Path, as_json: bool) -> int:
    """Show what a file, an archive or a folder of files would become, without touching anything.

    Ends with 1 where a file would be refused.
    """
    from luigi_tasks.cli import sources

    found = sources.try_files(path)
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        output.print_lines(sources.list_preview_lines(found))
    return int(any(each.fault for each in found))
