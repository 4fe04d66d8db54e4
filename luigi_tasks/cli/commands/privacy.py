"""Commands about the data of persons."""

from dataclasses import asdict

import click

from luigi_tasks.cli.command_group import CommandGroup
from luigi_tasks.cli.json_output import json_option, print_json


@click.group("privacy", cls=CommandGroup)
def tell_privacy() -> None:
    """Say what data there is of persons."""


@tell_privacy.command("record")
@json_option
def show_record(as_json: bool) -> None:
    """Print the record of processing: by purpose, what data is where, who reads it and how long it is kept."""
    from luigi_tasks.privacy import map_file, record

    found = record.make_record(map_file.read_map())
    if as_json:
        print_json({"is_enforced": record.is_enforced(), "purposes": [asdict(each) for each in found]})
    else:
        print("\n".join(record.format_record(found)))
