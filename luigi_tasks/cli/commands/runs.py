"""Commands about runs: run and summary."""

import click

from luigi_tasks import run_id
from luigi_tasks.cli import output, summary
from luigi_tasks.cli.command_group import ProjectCommand
from luigi_tasks.cli.json_output import json_option, print_json
from luigi_tasks.cli.sample import put_sample_where_all_is_new
from luigi_tasks.errors import PipelineError
from luigi_tasks.runs import journal


@click.command("summary", cls=ProjectCommand)
@json_option
def show_summary(as_json: bool) -> None:
    """Show the last run's stages, what was unusual, and the ledger."""
    run = summary.find_last_run()
    if run is None:
        raise PipelineError("there was no run yet; start one with make run")
    found = summary.collect_summary(run)
    if as_json:
        print_json(found)
    else:
        from luigi_tasks.cli import tables

        output.print_renderables(tables.show_summary(found))


@click.command("run", cls=ProjectCommand, context_settings={"allow_interspersed_args": False})
@click.option("--json", "as_json", is_flag=True, help="Write an event a line as it happens, as JSON, for scripts.")
@click.option("--sample", is_flag=True, help="First fill an empty landing folder, if all is new, with the sample.")
@click.argument("luigi", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run_pipeline(context: click.Context, as_json: bool, sample: bool, luigi: tuple[str, ...]) -> int:
    """Run the pipeline and watch it, then show the summary.

    A terminal shows the stages live. LUIGI are arguments for luigi: a task and its parameters; the default is RunAll.
    """
    from luigi_tasks.cli import watched_run

    if sample:
        put_sample_where_all_is_new()
    code = watched_run.run_luigi(luigi or ["RunAll"], as_json)
    if not as_json and (code == 0 or journal.read_finished_stages(run_id.get_run_id())):
        context.invoke(show_summary, as_json=False)
    return code
