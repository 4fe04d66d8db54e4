"""Commands that write pages: report and docs."""

import click

from luigi_tasks.cli import audit
from luigi_tasks.cli.command_group import ProjectCommand
from luigi_tasks.dbt import docs
from luigi_tasks.report import page


@click.command("report", cls=ProjectCommand)
def write_report() -> None:
    """Write the report on the published marts and print its path."""
    with audit.entered("report"):
        path = page.write_report()
    print(path)


@click.command("docs", cls=ProjectCommand)
def write_docs() -> None:
    """Write dbt's page about models and lineage and print its path."""
    print(docs.write_page())
