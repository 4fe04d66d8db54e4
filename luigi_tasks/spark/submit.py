"""spark-submit: its command line and environment, and one run of it a request."""

import contextlib
import os
import re
import resource
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

from luigi_tasks import config, file_modes, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process, environment
from luigi_tasks.runs import journal, scheduler
from luigi_tasks.spark import known_errors, resources
from luigi_tasks.spark.java import java_home
from spark_jobs.messages import JobProgress, MessageError, Tell, read_message, write_message
from spark_jobs.messages.exchange import Operation
from spark_jobs.storage import write_uri

CLIENT, CLUSTER = "client", "cluster"
SHARED = "shared"
DRIVER_OPTIONS = "spark.driver.extraJavaOptions"
DRIVERS_PYTHON = "spark.pyspark.driver.python"
EXECUTORS_PYTHON = "spark.pyspark.python"
PAGE = "spark.ui.enabled"
LOCAL_MASTER = re.compile(r"local(\[(\d+|\*)(,\d+)?\])?")
"""Masters for which Spark makes a secret by itself."""
AUTHENTICATE = "spark.authenticate"
SECRET = "spark.authenticate.secret"
UMASK = "spark.socialmart.umask"
"""Read by spark_jobs/engine/file_modes.py."""
POLL_SECONDS = 0.25
"""How often the progress that a job has written is read."""

FEWEST_OPEN_FILES = 512
"""Spark's some 280 libraries, which Java keeps open, and what it opens to work with four cores."""

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
    def properties_file(self) -> str:
        return config.read_section(config.spark).properties_file

    @property
    def py_files(self) -> list[str]:
        """With the package spark_jobs, which this machine imports from where it is."""
        configured = super().py_files or []
        return configured if is_local_master(self.master) else [*configured, str(zip_jobs())]


def require_possible() -> None:
    """Raise PipelineError where Spark cannot work: [spark] is wrong or gives a secret away, or a limit of this machine
    is too low."""
    settings = config.read_section(config.spark)
    _require_hidden_secrets(settings)
    _require_open_files()
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


def _require_hidden_secrets(settings: config.spark) -> None:
    """Raise PipelineError where others can read the secret of a cluster."""
    if SECRET in read_confs():
        raise PipelineError(
            f"luigi.cfg, section [spark], key conf: {SECRET} would show in the list of processes; "
            "put it into a file of mode 0600 and name that by [spark] properties_file"
        )
    path = Path(settings.properties_file)
    if not settings.properties_file:
        return
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise PipelineError(
            f"luigi.cfg, section [spark], key properties_file: {path} cannot be read ({error.strerror}); correct it"
        ) from error
    if mode & file_modes.PRIVATE_UMASK:
        raise PipelineError(
            f"luigi.cfg, section [spark], key properties_file: others can read {path} (mode {mode:04o}), which may "
            f"hold secrets; chmod 600 {path}"
        )


def is_authenticated() -> bool | None:
    """Whether Spark's processes ask each other for a secret, by the settings of this project; None: nothing is said."""
    settings = config.read_section(config.spark)
    said = read_confs().get(AUTHENTICATE)
    if said is None and settings.properties_file:
        text = Path(settings.properties_file).read_text(encoding="utf-8", errors="replace")
        found = re.search(rf"^\s*{re.escape(AUTHENTICATE)}[\s=:]+(\w+)", text, re.MULTILINE)
        said = found[1] if found else None
    return None if said is None else said == "true"


def _require_open_files() -> None:
    """Raise PipelineError where Java may not open as many files as Spark needs; it raises the soft limit itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < FEWEST_OPEN_FILES:
        raise PipelineError(
            f"the limit of open files (ulimit -n, the hard one) is {most}, and Spark needs {FEWEST_OPEN_FILES}; "
            "nothing was changed; raise it and run again"
        )


def build_command(program: str, master: str = "", *java_options: str) -> list[str]:
    """The command line that runs a program of spark_jobs/, by its name; without the program's own arguments.

    `master`: in place of the configured one, with the driver on this machine; `java_options`: the driver's, besides
    those configured.
    """
    settings = config.read_section(config.spark)
    master, deploy_mode = (master, CLIENT) if master else (resources.choose_master(), settings.deploy_mode)
    confs = read_confs(master)
    options = [confs.get(DRIVER_OPTIONS, ""), *java_options]
    if is_local_master(master):  # Java itself does not heed TMPDIR, and Spark's scratch files go there, too
        options.insert(0, quote_option(f"-Djava.io.tmpdir={tempfile.gettempdir()}"))
    if any(options):
        confs[DRIVER_OPTIONS] = " ".join(filter(None, options))
    if deploy_mode == CLIENT:
        confs.setdefault(DRIVERS_PYTHON, sys.executable)
    submit = SparkSubmit(
        app=str(paths.SPARK_JOBS / f"{program}.py"),
        master=master,
        deploy_mode=deploy_mode,
        conf=confs,
    )
    return submit.spark_command() + submit.app_command()


def quote_option(option: str) -> str:
    """An option of Java as one word of a list of them."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def make_environment(master: str = "") -> dict[str, str]:
    """The environment of spark-submit: its Java, its Python and its network.

    A local master takes nothing of another Spark, Hadoop or Java; a cluster may be found by their variables. The
    credentials of a store are in it where folders of the pipeline are in one.
    """
    settings = config.read_section(config.spark)
    is_local = is_local_master(master or settings.master)
    store = environment.STORE if paths.uses_store() else ()
    return environment.make_environment(
        (*(environment.SPARK_LOCAL if is_local else environment.SPARK_CLUSTER), *store),
        settings.environment,
        **({"SPARK_LOCAL_IP": "127.0.0.1"} if is_local else {}),
        JAVA_HOME=str(java_home(paths.java_runtime())),
        SPARK_HOME=str(find_spark_home()),
        PYSPARK_PYTHON=read_confs().get(EXECUTORS_PYTHON, sys.executable),
    )


def is_local_master(master: str) -> bool:
    """Whether Spark runs in one process on this machine."""
    return LOCAL_MASTER.fullmatch(master) is not None


def read_confs(master: str = "") -> dict[str, str]:
    """[spark] conf by name, over our own defaults for a master (that of [spark] unless given).

    Spark's page takes time to start, so it is on only where luigid, from which people come to it, hears of the run; it
    ends no jobs, as it asks nobody for a login. A driver with its tasks on this machine makes a secret for itself,
    without which other users of the machine could end the tasks; a cluster's processes need one that they share.
    """
    settings = config.read_section(config.spark)
    ours = {PAGE: str(scheduler.is_watched()).lower(), "spark.ui.killEnabled": "false"}
    if is_local_master(master or settings.master):
        ours[AUTHENTICATE] = "true"
    if file_modes.is_shared():
        ours[UMASK] = f"{file_modes.get_umask():03o}"
    pairs = [_split_pair(text.strip()) for text in settings.conf.split("|") if text.strip()]
    return ours | dict(pairs)


def run_once(operation: Operation[Request, Result], request: Request, staging: Path, tell: Tell) -> Result:
    """The result of an operation, from a spark-submit of its own.

    Its messages are exchanged as files in `staging`, which the driver can reach wherever it runs; or in the store where
    the checkpoints are, if the driver runs elsewhere. Raises PipelineError
    in a sentence, where its log tells why it failed.
    """
    require_possible()
    log = journal.make_run_folder() / f"spark_{operation.name}.log"
    checkpoints = paths.checkpoints()
    if isinstance(checkpoints, Path) or config.read_section(config.spark).deploy_mode == CLIENT:
        staging.mkdir(parents=True, exist_ok=True)
        return _run_once(operation, request, str(staging), "", log, tell)
    exchange = checkpoints / ".exchange" / staging.name
    folder, _, options = write_uri(exchange).partition("?")
    try:
        return _run_once(operation, request, folder, f"?{options}", log, tell)
    finally:
        with contextlib.suppress(OSError):
            exchange.delete_tree()


def _run_once(
    operation: Operation[Request, Result], request: Request, folder: str, options: str, log: Path, tell: Tell
) -> Result:
    """The same, with the messages as files in a folder; `options` end the URI of each where that is one."""
    names = ("request", "result", "progress")
    files = {name: f"{folder}/{operation.name}_{name}.json{options}" for name in names}
    write_message(files["request"], request)
    arguments = [part for name, path in files.items() for part in (f"--{name}", path)]
    process = child_process.start([*build_command(operation.name), *arguments], make_environment(), log)
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
    home = paths.find_package("pyspark")
    if home is None:
        raise PipelineError("pyspark: not installed in this environment; run make setup")
    return home


def zip_jobs() -> Path:
    """The package spark_jobs as drivers and executors elsewhere can import it, in the run's folder of logs."""
    archive = journal.make_run_folder() / "spark_jobs.zip"
    if not archive.exists():
        descriptor, unfinished = tempfile.mkstemp(dir=archive.parent)
        with open(descriptor, "wb") as output, zipfile.ZipFile(output, "w") as file:
            for part in sorted([*paths.SPARK_JOBS.rglob("*.py"), *paths.SPARK_JOBS.rglob("*.toml")]):
                file.write(part, part.relative_to(paths.PROJECT))
        os.replace(unfinished, archive)
    return archive
