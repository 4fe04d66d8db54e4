"""spark-submit: its command line and environment, and one run of it a request."""

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import luigi
from luigi.contrib.spark import SparkSubmitTask

from luigi_tasks import config, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.runs import journal, scheduler
from luigi_tasks.spark import known_errors, resources
from luigi_tasks.spark.java import java_home
from spark_jobs.messages import JobProgress, MessageError, Tell, read_message, write_message
from spark_jobs.messages.exchange import Operation

CLIENT, CLUSTER = "client", "cluster"
SHARED = "shared"
DRIVER_OPTIONS = "spark.driver.extraJavaOptions"
DRIVERS_PYTHON = "spark.pyspark.driver.python"
EXECUTORS_PYTHON = "spark.pyspark.python"
PAGE = "spark.ui.enabled"
POLL_SECONDS = 0.25
"""How often the progress that a job has written is read."""

Request = TypeVar("Request")
Result = TypeVar("Result")


class SparkSubmit(SparkSubmitTask):
    """The command line of spark-submit, from [spark] in luigi.cfg, as Luigi builds it; it is never run as a task."""

    app: str = luigi.Parameter()  # type: ignore[assignment]
    master: str = luigi.Parameter()
    deploy_mode: str = luigi.Parameter()
    conf: Mapping[str, str] = luigi.DictParameter()

    name = "socialmart"  # type: ignore[assignment]
    supervise = False  # restarts drivers of which no run waits for the end

    @property
    def spark_submit(self) -> str:
        return str(find_spark_home() / "bin" / "spark-submit")

    @property
    def driver_memory(self) -> str:
        return resources.choose_driver_memory()

    @property
    def executor_memory(self) -> str:
        return config.read_section(config.spark).executor_memory

    @property
    def py_files(self) -> list[str]:
        """With the package spark_jobs, which this machine imports from where it is."""
        configured = super().py_files or []
        return configured if self.master.startswith("local") else [*configured, str(zip_jobs())]


def require_possible() -> None:
    """Raise PipelineError where [spark] asks for a driver on the cluster that cannot be had."""
    settings = config.read_section(config.spark)
    read_confs()
    if settings.deploy_mode != CLUSTER:
        return
    if settings.session == SHARED:
        raise PipelineError(
            "luigi.cfg, section [spark], key deploy_mode: cluster needs a driver for each job, and session is shared; "
            "set session = submit, or deploy_mode = client"
        )
    if settings.master.startswith(("local", "spark://")):
        raise PipelineError(
            f"luigi.cfg, section [spark], key deploy_mode: with master {settings.master} Spark runs Python drivers in "
            "client mode only; "
            "set deploy_mode = client, or a master yarn or k8s://…"
        )


def build_command(program: str, master: str = "", *java_options: str) -> list[str]:
    """The command line that runs a program of spark_jobs/, by its name; without the program's own arguments.

    `master`: in place of the configured one, with the driver on this machine; `java_options`: the driver's, besides
    those configured.
    """
    settings = config.read_section(config.spark)
    confs = read_confs()
    if java_options:
        confs[DRIVER_OPTIONS] = " ".join([*filter(None, [confs.get(DRIVER_OPTIONS)]), *java_options])
    deploy_mode = CLIENT if master else settings.deploy_mode
    if deploy_mode == CLIENT:
        confs.setdefault(DRIVERS_PYTHON, sys.executable)
    submit = SparkSubmit(
        app=str(paths.SPARK_JOBS / f"{program}.py"),
        master=master or resources.choose_master(),
        deploy_mode=deploy_mode,
        conf=confs,
    )
    return submit.spark_command() + submit.app_command()


def make_environment(master: str = "") -> dict[str, str]:
    """The environment of spark-submit: its Java, its Python and its network; nothing that looks like a secret."""
    master = master or config.read_section(config.spark).master
    local = {"SPARK_LOCAL_IP": "127.0.0.1"} if master.startswith("local") else {}
    return child_process.environment(
        **local,
        JAVA_HOME=str(java_home(paths.java_runtime())),
        SPARK_HOME=str(find_spark_home()),
        PYSPARK_PYTHON=read_confs().get(EXECUTORS_PYTHON, sys.executable),
        PYTHONPATH=str(paths.PROJECT),
    )


def read_confs() -> dict[str, str]:
    """[spark] conf by name. Spark's page takes time to start: unless configured, it is on only where luigid, from
    which people come to it, hears of the run."""
    pairs = [_split_pair(text.strip()) for text in config.read_section(config.spark).conf.split("|") if text.strip()]
    return {PAGE: str(scheduler.is_watched()).lower()} | dict(pairs)


def run_once(operation: Operation[Request, Result], request: Request, staging: Path, tell: Tell) -> Result:
    """The result of an operation, from a spark-submit of its own.

    Its messages are exchanged as files in `staging`, which the driver can reach wherever it runs. Raises PipelineError
    in a sentence, where its log tells why it failed.
    """
    require_possible()
    log = journal.make_run_folder() / f"spark_{operation.name}.log"
    files = {name: str(staging / f"{operation.name}_{name}.json") for name in ("request", "result", "progress")}
    staging.mkdir(parents=True, exist_ok=True)
    write_message(files["request"], request)
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    process = child_process.start([*build_command(operation.name), *options], make_environment(), log)
    try:
        code = _wait(process, files["progress"], tell)
    finally:
        child_process.end_group(process)
    if code:
        raise PipelineError(
            known_errors.explain(operation.name, log)
            or child_process.explain_kill("spark-submit", operation.name, code, log)
            or f"{operation.name} failed: spark-submit ended with exit code {code}\n"
            f"the end of {log}:\n{child_process.tail(log)}"
        )
    return read_message(operation.result, files["result"])


def _wait(process: subprocess.Popen[bytes], progress: str, tell: Tell) -> int:
    """The exit code of a spark-submit; `tell` hears of the progress that its job writes."""
    code = None
    while code is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(POLL_SECONDS)
        with contextlib.suppress(MessageError):  # nothing was written yet
            tell(read_message(JobProgress, progress))
    return code


def _split_pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise PipelineError(f"luigi.cfg, section [spark], key conf: expected a=1|b=2, found {text!r}")
    return name, value


@cache
def find_spark_home() -> Path:
    """The folder of the installed pyspark, which brings all of Spark along."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise PipelineError("pyspark: not installed in this environment; run make setup")
    return Path(found.origin).parent


def zip_jobs() -> Path:
    """The package spark_jobs as drivers and executors elsewhere can import it, in the run's folder of logs."""
    archive = journal.make_run_folder() / "spark_jobs.zip"
    if not archive.exists():
        descriptor, unfinished = tempfile.mkstemp(dir=archive.parent)
        with open(descriptor, "wb") as output, zipfile.ZipFile(output, "w") as file:
            for module in sorted(paths.SPARK_JOBS.rglob("*.py")):
                file.write(module, module.relative_to(paths.PROJECT))
        os.replace(unfinished, archive)
    return archive
