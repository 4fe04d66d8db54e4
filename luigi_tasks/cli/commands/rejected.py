"""The command about rejected records."""

from dataclasses import asdict

import click

from luigi_tasks import texts
from luigi_tasks.cli import audit, output
from luigi_tasks.cli.command_group import ProjectCommand
from luigi_tasks.cli.json_output import json_option, print_json
from luigi_tasks.quality import quarantine


@click.command("rejected", cls=ProjectCommand)
@click.option("--batch", default="", help="Only records of this batch.")
@click.option("--rule", default="", help="Only records that broke this rule.")
@json_option
@click.option(
    "--export",
    "file",
    metavar="FILE",
    help="Write the records with their raw text to FILE; - is standard output.",
)
def list_rejected(batch: str, rule: str, as_json: bool, file: str | None) -> None:
    """Count the rejected records, or export them."""
    if file and as_json:
        raise click.UsageError("--json and --export exclude each other")
    if file:
        with audit.entered("rejected --export") as details:
            records = quarantine.export_rejected(file, batch, rule)
            details["records"] = records
        if not quarantine.is_standard_output(file):
            verb = "is" if records == 1 else "are"
            print(texts.format_line(f"{texts.count(records, 'record')} {verb} in {file}"))
        return
    found = quarantine.count_rejected(batch, rule)
    if as_json:
        print_json(asdict(found))
    else:
        from luigi_tasks.cli import tables

        output.print_renderables(tables.show_rejected(found))
