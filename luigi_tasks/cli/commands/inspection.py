"""Commands that look whether all is well: doctor, explain, verify; and take-over, which verify may advise."""

import logging
import warnings
from dataclasses import asdict

import click

from luigi_tasks.cli import explain, output, verify
from luigi_tasks.cli.command_group import ProjectCommand
from luigi_tasks.cli.json_output import json_option, print_json


@click.command("doctor")  # which finds that there is no project
@json_option
def check_pipeline(as_json: bool) -> int:
    """Check whether the pipeline can run here. Says what to do if not."""
    from luigi_tasks.cli.doctor.check import FAIL, run_checks
    from luigi_tasks.cli.doctor.checks import CHECKS

    logging.disable()  # the findings repeat what is logged on the way
    warnings.simplefilter("ignore")
    findings = run_checks(CHECKS)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        from luigi_tasks.cli import tables

        output.print_renderables(tables.show_findings(findings))
    return int(any(finding.level == FAIL for finding in findings))


@click.command("explain", cls=ProjectCommand)
@json_option
def explain_stages(as_json: bool) -> None:
    """Say for every stage whether it is up to date, and if not, why."""
    answers = explain.explain_stages()
    if as_json:
        print_json([asdict(answer) for answer in answers])
    else:
        output.print_lines(explain.list_lines(answers))


@click.command("verify", cls=ProjectCommand)
@click.option("--repair", is_flag=True, help="Run the pipeline, which compares everything and puts right what differs.")
@json_option
def verify_warehouse(repair: bool, as_json: bool) -> int:
    """Compare all rows with what was loaded and built.

    raw_data is compared with what was loaded, the ledger with its files, every table of dbt with what its model
    selects, and the published marts with the tested ones. Without --repair nothing is changed.
    """
    if repair:
        from luigi_tasks.cli import watched_run

        return watched_run.run_luigi(["RunAll", "--warehouse-verify-days", str(verify.AT_ONCE)], as_json)
    findings = verify.list_damage()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        output.print_lines(verify.list_lines(findings))
    return int(bool(findings))


@click.command("take-over", cls=ProjectCommand)
def take_over_warehouse() -> None:
    """Have the warehouse belong to this project from now on."""
    print(verify.take_over())
