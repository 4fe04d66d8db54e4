"""Output for scripts: JSON, where a command has the option for it."""

import json

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")


def print_json(found: object) -> None:
    """Print something as indented JSON."""
    print(json.dumps(found, indent=1))
