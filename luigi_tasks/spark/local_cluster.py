"""A Spark standalone cluster of processes on the loopback address: to see the suite run on one, and to test that."""

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from luigi_tasks import atomic_files
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.spark import submit

HOST = "127.0.0.1"
SECONDS_TO_START = 60


@contextmanager
def running(port: int, workers: int, cores: int, memory: str, logs: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A master on `port`, its page on the next one, and workers, theirs on those after. Gives the master and the
    workers; ends them all.

    They, and the drivers that use them, share a secret, which is in the file that find_properties gives.
    """
    environ = submit.make_environment() | {"SPARK_NO_DAEMONIZE": "1"}
    properties = _write_secret(logs)
    spark_class = str(Path(environ["SPARK_HOME"]) / "bin" / "spark-class")
    master = f"spark://{HOST}:{port}"
    common = ["--host", HOST, "--properties-file", str(properties)]
    places = [*common, "--port", str(port), "--webui-port", str(port + 1)]
    commands = {"master": ["org.apache.spark.deploy.master.Master", *places]}
    for number in range(1, workers + 1):
        log = f"worker-{number}"
        size = ["--cores", str(cores), "--memory", memory, "--work-dir", str(logs / log)]
        place = [*common, "--webui-port", str(port + 1 + number)]
        commands[log] = ["org.apache.spark.deploy.worker.Worker", *place, *size, master]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in commands.items():
            processes.append(child_process.start([spark_class, *command], environ, logs / f"{name}.log"))
            wanted = port if name == "master" else int(command[command.index("--webui-port") + 1])
            _wait(processes[-1], wanted, logs / f"{name}.log")
        yield processes
    finally:
        for process in processes:
            child_process.end_group(process)


def find_properties(logs: Path) -> Path:
    """The file with the settings that drivers need to use a cluster whose logs are in a folder."""
    return logs / "spark.conf"


def _write_secret(logs: Path) -> Path:
    path = find_properties(logs)
    lines = (f"{submit.AUTHENTICATE} true", f"{submit.SECRET} {secrets.token_hex(32)}", "spark.ui.killEnabled false")
    atomic_files.write_file(path, "".join(f"{line}\n" for line in lines))
    return path


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a process listens on a port."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise PipelineError(f"cluster: nothing listens on {HOST}:{port}; the end of {log}:\n{child_process.tail(log)}")
