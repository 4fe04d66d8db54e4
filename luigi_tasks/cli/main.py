"""The command `socialmart`: what people do with the pipeline besides running it from cron."""

import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
from luigi.interface import core

from luigi_tasks import config, file_modes, paths, run_id, texts, warehouse
from luigi_tasks.cli import audit, explain, luigid, output, summary, verify
from luigi_tasks.cli.doctor.check import FAIL, run_checks
from luigi_tasks.cli.doctor.checks import CHECKS
from luigi_tasks.cli.sample import put_sample_where_all_is_new
from luigi_tasks.dbt import docs
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import environment
from luigi_tasks.quality import quarantine
from luigi_tasks.report import page
from luigi_tasks.runs import journal
from luigi_tasks.spark import aot_cache, local_cluster
from luigi_tasks.spark.java import java_home

CLIENTS = {
    "psql": "Open psql on the warehouse",
    "pg_dump": "Back up the warehouse",
    "pg_restore": "Restore a backup (-d names the database)",
}
"""Client programs of PostgreSQL that `socialmart` runs, and what they do."""
LAST_PORT = 65_535
PORT = click.IntRange(1, LAST_PORT)
AT_LEAST_ONE = click.IntRange(min=1)
LEAST_EXECUTOR_KIBIBYTES = 512 << 10
"""What Spark takes for an executor: 300 MiB of its own and half as much again, in round numbers."""
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")


class ProjectCommand(click.Command):
    """A command that is about the project in the current folder: anywhere else it says so, and makes nothing."""

    def invoke(self, context: click.Context) -> Any:
        config.require_project()
        environment.require_utf8()
        return super().invoke(context)


class CommandGroup(click.Group):
    """Commands that return their exit code. A PipelineError ends one with its sentence and 1, Ctrl-C with 130.

    They need a project, unless they are made with `cls=click.Command`.
    """

    command_class = ProjectCommand

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of the commands in the order in which they are defined."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> None:
        """Run the command that the command line names, and exit."""
        try:
            output.prepare_streams()
            file_modes.restrict_new_files()
            code = super().invoke(context)
            sys.stdout.flush()
        except PipelineError as error:
            raise SystemExit(texts.format_block(f"socialmart: {error}")) from error
        except BrokenPipeError:  # the reader of the output has closed it
            output.discard_output()
            code = 128 + signal.SIGPIPE
        except OSError as error:
            if error.errno not in output.FULL or error.filename is not None:
                raise
            output.discard_output()
            raise SystemExit(
                f"socialmart: standard output cannot be written ({error.strerror}); make room, or send it elsewhere"
            ) from error
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT
        context.exit(code or 0)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="socialmart", prog_name="socialmart", message="%(prog)s %(version)s")
def main() -> None:
    """Run the social media pipeline and look after it. `socialmart COMMAND --help` describes a command."""


@main.command("doctor", cls=click.Command)  # which finds that there is no project
@json_option
def check_pipeline(as_json: bool) -> int:
    """Check whether the pipeline can run here. Says what to do if not."""
    logging.disable()  # the findings repeat what is logged on the way
    warnings.simplefilter("ignore")
    findings = run_checks(CHECKS)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        from luigi_tasks.cli import tables

        output.print_renderables(tables.show_findings(findings))
    return int(any(finding.level == FAIL for finding in findings))


@main.command("explain")
@json_option
def explain_stages(as_json: bool) -> None:
    """Say for every stage whether it is up to date, and if not, why."""
    answers = explain.explain_stages()
    if as_json:
        print_json([asdict(answer) for answer in answers])
    else:
        output.print_lines(explain.list_lines(answers))


@main.command("summary")
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


@main.command("run", context_settings={"allow_interspersed_args": False})
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


@main.command("verify")
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


@main.command("take-over")
def take_over_warehouse() -> None:
    """Have the warehouse belong to this project from now on."""
    print(verify.take_over())


@main.group("audit", cls=CommandGroup)
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


@main.command("rejected")
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


@main.group("sources", cls=CommandGroup, invoke_without_command=True)
@json_option
@click.pass_context
def list_sources(context: click.Context, as_json: bool) -> None:
    """List the exports that can be read. `socialmart sources try FILE` shows what one would become."""
    config.require_project()
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


@main.group("privacy", cls=CommandGroup)
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


login_option = click.option("--login", default="", help="The pipeline's login; default: the one in PGUSER.")


@main.group("roles", cls=CommandGroup)
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


@main.command("report")
def write_report() -> None:
    """Write the report on the published marts and print its path."""
    with audit.entered("report"):
        path = page.write_report()
    print(path)


@main.command("docs")
def write_docs() -> None:
    """Write dbt's page about models and lineage and print its path."""
    print(docs.write_page())


@main.command("java", cls=click.Command)
@click.option("--prepare", is_flag=True, help="First create the cache that makes Spark start faster.")
def show_java(prepare: bool) -> None:
    """Print the JAVA_HOME that Spark jobs run with."""
    print(aot_cache.prepare_java() if prepare else java_home(paths.java_runtime()))


@main.command("cluster")
@click.option(
    "--port", type=PORT, default=7077, show_default=True, help="The master's port; the web pages take the next ones."
)
@click.option("--workers", type=AT_LEAST_ONE, default=2, show_default=True, help="How many workers.")
@click.option("--cores", type=AT_LEAST_ONE, default=1, show_default=True, help="Cores of each worker.")
@click.option("--memory", default="1g", show_default=True, help="Memory of each worker's executor: 512m, 2g.")
def run_cluster(port: int, workers: int, cores: int, memory: str) -> None:
    """Run a Spark cluster on this machine until Ctrl-C."""
    exit_on_sigterm()
    if port + 1 + workers > LAST_PORT:
        raise click.UsageError(f"--port {port}: {workers} workers need ports up to {port + 1 + workers}")
    _require_memory(memory)
    for taken in range(port, port + 2 + workers):
        luigid.require_free_port(local_cluster.HOST, taken)
    logs = paths.service_logs("cluster")
    with local_cluster.running(port, workers, cores, memory, logs) as processes:
        master = f"spark://{local_cluster.HOST}:{port}"
        print(f"master {master}, page http://{local_cluster.HOST}:{port + 1}, {workers} workers, logs in {logs}")
        settings = f"master = {master} and properties_file = {local_cluster.find_properties(logs)}"
        print(f"to run on it: {settings} in [spark] of luigi.local.cfg; Ctrl-C ends it", flush=True)
        for process in processes:
            process.wait()


def _require_memory(memory: str) -> None:
    """Raise UsageError for what is no amount of memory, or less than an executor takes."""
    given, found = texts.format_line(memory), re.fullmatch(r"(\d+)([kmgt])", memory.lower())
    if not found:
        raise click.UsageError(f"--memory {given}: expected a number with a unit, such as 512m or 2g")
    if int(found[1]) << 10 * "kmgt".index(found[2]) < LEAST_EXECUTOR_KIBIBYTES:
        raise click.UsageError(f"--memory {given}: expected 512m at least, as an executor takes that much")


@main.command("dashboard")
@click.option("--port", type=PORT, help="The port to listen on; default: [core] default_scheduler_port, or 8082.")
@click.option(
    "--address",
    default=luigid.HOST,
    show_default=True,
    help="The address to listen on. Any other one opens luigid to a network, and luigid asks for no password.",
)
@click.option("--name", "names", multiple=True, help="A name under which browsers, or a proxy, ask for it; repeatable.")
def run_dashboard(port: int | None, address: str, names: tuple[str, ...]) -> int:
    """Run Luigi's dashboard on this machine until Ctrl-C."""
    if not address:  # would be all addresses of this machine
        raise click.UsageError("--address is empty: expected an address of this machine, such as 127.0.0.1")
    exit_on_sigterm()
    port = port or config.read_section(core).scheduler_port
    log = paths.service_logs("dashboard") / "luigid.log"
    with luigid.run_luigid(address, port, log, names) as process:
        print(f"http://{address}:{port}, metrics at /metrics, history at /history; log in {log}; Ctrl-C ends it")
        sys.stdout.flush()
        return process.wait()


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


for client, purpose in CLIENTS.items():
    main.add_command(make_client_command(client, purpose))


def print_json(found: object) -> None:
    """Print something as indented JSON."""
    print(json.dumps(found, indent=1))


def exit_on_sigterm() -> None:
    """Have SIGTERM end this process as an exit does, so that what it started is ended, too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


if __name__ == "__main__":
    main()
