"""The Spark session of a run: a companion (spark_jobs/session.py) with the settings of luigi.cfg."""

import importlib.util
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from luigi_tasks import config, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.processes.service_process import Companion
from luigi_tasks.runs import journal, scheduler
from luigi_tasks.spark import known_errors
from luigi_tasks.spark.java import aot_cache, java_home


def start() -> None:
    """Start the session in the background, unless it is there."""
    _session().start()


def ask(job: str, request: dict[str, Any], tell: Callable[..., None]) -> dict[str, Any]:
    """The result of one of the jobs in spark_jobs/; `tell` hears how far it is.

    Raises PipelineError, in a sentence where the log tells why.
    """
    session = _session()
    try:
        return session.ask(job, request, tell)
    except PipelineError as error:
        if said := known_errors.sentence(job, session.log):
            raise PipelineError(said) from error
        raise


def environment(*java_options: str, master: str = "") -> dict[str, str]:
    """What the session finds its Java, its Python and its settings by; nothing that looks like a secret."""
    master = master or config.read_section(config.spark).master
    local = {"SPARK_LOCAL_IP": "127.0.0.1"} if master.startswith("local") else {}
    return child_process.environment(
        **local,
        JAVA_HOME=str(java_home(paths.java_runtime())),
        SPARK_HOME=str(_spark_home()),
        PYSPARK_PYTHON=_confs().get(EXECUTORS_PYTHON, sys.executable),
        PYTHONPATH=str(paths.PROJECT),
        PYSPARK_SUBMIT_ARGS=shlex.join([*submit_arguments(master, *java_options), "pyspark-shell"]),
    )


def submit_arguments(master: str, *java_options: str) -> list[str]:
    """The arguments of spark-submit, from luigi.cfg; `java_options` come besides those set there."""
    settings = config.read_section(config.spark)
    options = {
        "--master": master,
        "--driver-memory": settings.driver_memory,
        "--executor-memory": settings.executor_memory,
        "--name": "socialmart",
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    confs = _confs()
    confs[DRIVER_OPTIONS] = " ".join([*filter(None, [confs.get(DRIVER_OPTIONS)]), *java_options])
    return [*given, *(part for name, value in confs.items() for part in ("--conf", f"{name}={value}"))]


COMMAND = (sys.executable, "-m", "spark_jobs.session")
DRIVER_OPTIONS = "spark.driver.extraJavaOptions"
EXECUTORS_PYTHON = "spark.pyspark.python"
PAGE = "spark.ui.enabled"


def _confs() -> dict[str, str]:
    """The further settings of Spark, by name. Its page takes time to start: where nobody asks for it, it is there
    for who comes from luigid's."""
    given = dict(_pair(each.strip()) for each in config.read_section(config.spark).conf.split("|") if each.strip())
    return {PAGE: str(scheduler.uses_luigid()).lower()} | given


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise PipelineError(f"luigi.cfg, section [spark], key conf: expected a=1|b=2, found {text!r}")
    return name, value


@cache
def _session() -> Companion:
    return Companion("the Spark session", COMMAND, environment(), journal.make_run_folder() / "spark.log")


def prepare_java() -> str:
    """Have the Java of the wheel keep what it learns in one run of the jobs: Spark then starts in half the time.

    Returns what was done, in words.
    """
    home, cache = java_home(paths.java_runtime()), aot_cache(paths.java_runtime())
    if paths.java_runtime() not in home.parents:
        return f"{home}: not the packaged Java, so nothing is kept"
    cache.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = {"user_id": "u", "posts": [{"post_id": "p", "comments": [{"comment": "c"}, {"comment": "c"}]}]}
        (folder / "export.json").write_text(json.dumps([document]), encoding="utf-8")
        unfinished = cache.with_suffix(f".{os.getpid()}")
        session = Companion(
            "the Spark session",
            COMMAND,
            environment(f"-XX:AOTCacheOutput={unfinished}", master="local[*]"),
            folder / "log",
        )
        files = [{"name": "export.json", "path": str(folder / "export.json")}]
        batches, settings = [{"name": "b", "files": files}], {"max_unpacked_bytes": None}
        session.ask("extract", {"batches": batches, "staging": f"{folder}/e", "settings": settings})
        documents = {"name": "b", "paths": [f"{folder}/e/batch_no=0/documents"]}
        session.ask("clean", {"batches": [documents], "staging": f"{folder}/c", "settings": {"impute_age": False}})
        session.close()
    if not unfinished.exists():
        return f"{home}: this Java keeps nothing; Spark starts more slowly"
    unfinished.replace(cache)
    return f"{home}: kept in {cache}"


def _spark_home() -> Path:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise PipelineError("pyspark: not installed in this environment; run make setup")
    return Path(found.origin).parent
