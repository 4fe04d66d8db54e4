"""Commands about the roles of the warehouse."""

from dataclasses import asdict

import click

from luigi_tasks.cli.command_group import CommandGroup
from luigi_tasks.cli.json_output import json_option, print_json

login_option = click.option("--login", default="", help="The pipeline's login; default: the one in PGUSER.")


@click.group("roles", cls=CommandGroup)
def manage_roles() -> None:
    """Print, apply or check the roles of the warehouse."""


@manage_roles.command("print")
@login_option
@click.option("--database", default="", help="The warehouse's database; default: the one in PGDATABASE.")
def print_roles(login: str, database: str) -> None:
    """Print the SQL that makes the roles and grants their rights, for an administrator to read and run.

    With both options no server is asked.
    """
    from luigi_tasks.cli import roles

    print(roles.format_statements(login, database))


@manage_roles.command("apply")
@login_option
def apply_roles(login: str) -> None:
    """Make the roles and grant their rights, as the administrator that the PG* variables name."""
    from luigi_tasks.cli import roles

    print(roles.apply(login))


@manage_roles.command("check")
@login_option
@json_option
def check_roles(login: str, as_json: bool) -> int:
    """Compare what is granted with the map. Ends with 1 where a right is missing, or somebody has one too many."""
    from luigi_tasks.cli import roles

    found = roles.find_differences(login)
    if as_json:
        print_json(asdict(found))
    else:
        print("\n".join(roles.list_lines(found)))
    return int(bool(found.missing or found.extra))
