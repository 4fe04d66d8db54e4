"""Commands that run services until Ctrl-C: cluster and dashboard; and java, which the cluster runs on."""

import re
import signal
import sys

import click
from luigi.interface import core

from luigi_tasks import config, paths, texts
from luigi_tasks.cli import luigid
from luigi_tasks.cli.command_group import ProjectCommand
from luigi_tasks.spark import aot_cache, local_cluster
from luigi_tasks.spark.java import java_home

LAST_PORT = 65_535
PORT = click.IntRange(1, LAST_PORT)
AT_LEAST_ONE = click.IntRange(min=1)
LEAST_EXECUTOR_KIBIBYTES = 512 << 10
"""What Spark takes for an executor: 300 MiB of its own and half as much again, in round numbers."""


@click.command("java")
@click.option("--prepare", is_flag=True, help="First create the cache that makes Spark start faster.")
def show_java(prepare: bool) -> None:
    """Print the JAVA_HOME that Spark jobs run with."""
    print(aot_cache.prepare_java() if prepare else java_home(paths.java_runtime()))


@click.command("cluster", cls=ProjectCommand)
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


@click.command("dashboard", cls=ProjectCommand)
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


def exit_on_sigterm() -> None:
    """Have SIGTERM end this process as an exit does, so that what it started is ended, too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
