"""The command `socialmart`: what people ask beside running the pipeline."""

import argparse
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import asdict

from luigi.interface import core

from luigi_tasks import config, paths, run_id, warehouse
from luigi_tasks.cli import explain, luigid, summary
from luigi_tasks.cli.doctor import environment
from luigi_tasks.cli.doctor.check import FAIL
from luigi_tasks.dbt import docs
from luigi_tasks.errors import PipelineError
from luigi_tasks.quality import quarantine
from luigi_tasks.report import page
from luigi_tasks.runs import journal
from luigi_tasks.spark import aot_cache, local_cluster
from luigi_tasks.spark.java import java_home


def main() -> None:
    """Run one subcommand; a PipelineError ends it with its sentence and exit code 1."""
    parser = argparse.ArgumentParser(prog="socialmart", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("doctor", _doctor, "check whether the pipeline can run here, and say what to do where it cannot"),
        ("explain", _explain, "say for every stage whether it is up to date, and if not, why"),
        ("summary", _summary, "show the last run's stages and the ledger"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--json", action="store_true", help="for scripts")
        command.set_defaults(run=run)
    of_run = commands.add_parser("run", help="run the pipeline and watch it: live on a terminal; then show the summary")
    of_run.add_argument("--json", action="store_true", help="for scripts: an event a line, as they happen")
    of_run.add_argument("luigi", nargs=argparse.REMAINDER, help="luigi's own arguments; default: RunAll")
    of_run.set_defaults(run=_run)
    rejected = commands.add_parser("rejected", help="count the rejected records, or write them out with their raw text")
    rejected.add_argument("--batch", default="", help="only this batch's")
    rejected.add_argument("--rule", default="", help="only those that broke this rule")
    form = rejected.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for scripts")
    form.add_argument("--export", metavar="FILE", help="write the records as JSON Lines; - for standard output")
    rejected.set_defaults(run=_rejected)
    of_report = commands.add_parser("report", help="write the report on what is published now, and say where it is")
    of_report.set_defaults(run=_report)
    of_docs = commands.add_parser("docs", help="write dbt's page about the models and their lineage, say where it is")
    of_docs.set_defaults(run=_docs)
    for program, text in (
        ("psql", "open psql on the warehouse"),
        ("pg_dump", "back the warehouse up"),
        ("pg_restore", "bring a backup back, with -d and the warehouse's name"),
    ):
        client = commands.add_parser(program, help=f"{text}; further arguments go to {program}")
        client.set_defaults(run=_client, program=program)
    java = commands.add_parser("java", help="show the JAVA_HOME that Spark jobs are run with")
    java.add_argument("--prepare", action="store_true", help="first let it keep what makes Spark start faster")
    java.set_defaults(run=_java)
    of_cluster = commands.add_parser("cluster", help="run a Spark cluster on this machine until Ctrl-C")
    of_cluster.add_argument("--port", type=int, default=7077, help="the master's; the pages are on the next ones")
    of_cluster.add_argument("--workers", type=int, default=2)
    of_cluster.add_argument("--cores", type=int, default=1, help="of each worker")
    of_cluster.add_argument("--memory", default="1g", help="of each worker's executor")
    of_cluster.set_defaults(run=_cluster)
    of_dashboard = commands.add_parser("dashboard", help="run Luigi's dashboard on this machine until Ctrl-C")
    of_dashboard.add_argument("--port", type=int, help="default: [core] default_scheduler_port, or 8082")
    of_dashboard.add_argument(
        "--address", default=luigid.HOST, help="another one lets a whole network in, and luigid asks for no password"
    )
    of_dashboard.set_defaults(run=_dashboard)
    arguments, further = parser.parse_known_args()
    arguments.further = further
    if further and arguments.run is not _client:
        parser.error(f"unknown arguments: {' '.join(further)}")
    try:
        sys.exit(arguments.run(arguments))
    except PipelineError as error:
        sys.exit(f"socialmart: {error}")
    except BrokenPipeError:  # who reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _doctor(arguments: argparse.Namespace) -> int:
    logging.disable()  # the findings say what is logged on the way, and what Luigi warns of
    warnings.simplefilter("ignore")
    findings = environment.examine()
    if arguments.json:
        print(json.dumps([asdict(each) for each in findings], indent=1))
    else:
        print(environment.as_text(findings, sys.stdout.isatty()))
    return int(any(each.level == FAIL for each in findings))


def _explain(arguments: argparse.Namespace) -> int:
    answers = explain.explain()
    print(json.dumps([asdict(each) for each in answers], indent=1) if arguments.json else explain.as_text(answers))
    return 0


def _summary(arguments: argparse.Namespace) -> int:
    run = summary.last_run()
    if run is None:
        raise PipelineError("there was no run yet; start one with make run")
    print(json.dumps(summary.as_json(run), indent=1) if arguments.json else summary.as_text(run, sys.stdout.isatty()))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    """Run luigi, and show the summary after it where somebody reads it; its exit code."""
    from luigi_tasks.cli import live_view  # with rich, which nobody else needs

    config.require_exit_codes()
    code = live_view.run(arguments.luigi or ["RunAll"], arguments.json)
    if not arguments.json and (code == 0 or journal.read_finished_stages(run_id.get_run_id())):
        _summary(arguments)
    return code


def _rejected(arguments: argparse.Namespace) -> int:
    picked = {"batch": arguments.batch, "rule": arguments.rule}
    if arguments.export:
        records = quarantine.export_rejected(arguments.export, **picked)
        if arguments.export != quarantine.STANDARD_OUTPUT:
            print(f"{records:,} records are in {arguments.export}")
        return 0
    found = quarantine.count_rejected(**picked)
    print(json.dumps(asdict(found), indent=1) if arguments.json else found.format_table())
    return 0


def _report(arguments: argparse.Namespace) -> int:
    print(page.write_report())
    return 0


def _docs(arguments: argparse.Namespace) -> int:
    print(docs.write())
    return 0


def _java(arguments: argparse.Namespace) -> int:
    print(aot_cache.prepare_java() if arguments.prepare else java_home(paths.java_runtime()))
    return 0


def _cluster(arguments: argparse.Namespace) -> int:
    """Run a cluster until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    port, logs = arguments.port, paths.service_logs("cluster")
    with local_cluster.running(port, arguments.workers, arguments.cores, arguments.memory, logs) as processes:
        master = f"spark://{local_cluster.HOST}:{port}"
        print(
            f"master {master}, page http://{local_cluster.HOST}:{port + 1}, {arguments.workers} workers, logs in {logs}"
        )
        print(f"to run on it: [spark] master = {master} in luigi.cfg; Ctrl-C ends it", flush=True)
        for process in processes:
            process.wait()
    return 0


def _dashboard(arguments: argparse.Namespace) -> int:
    """Run luigid until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    port = arguments.port or core().scheduler_port
    log = paths.service_logs("dashboard") / "luigid.log"
    with luigid.running(arguments.address, port, log) as process:
        where = f"http://{arguments.address}:{port}"
        print(f"{where}, metrics at /metrics, history at /history; log in {log}; Ctrl-C ends it")
        sys.stdout.flush()
        return process.wait()


def _client(arguments: argparse.Namespace) -> int:
    """Run a client of PostgreSQL: the embedded server's own one, else that on the path."""
    name = arguments.program
    program = shutil.which(name) if warehouse.is_external() else str(warehouse.start_embedded().find_program(name))
    if program is None:
        raise PipelineError(f"{name}: not on PATH; install PostgreSQL's client programs, of the server's version")
    environment = os.environ | warehouse.get_libpq_variables()
    return subprocess.run([program, *arguments.further], env=environment, check=False).returncode


if __name__ == "__main__":
    main()
