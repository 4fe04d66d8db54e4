"""Runs one of the jobs in spark_jobs/ by spark-submit, with the settings of luigi.cfg."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from luigi_tasks import child, config, journal, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.java import java_home


def submit(job: str, request: dict[str, Any], staging: Path) -> dict[str, Any]:
    """Run spark_jobs/`job`.py on a request and give back its result, both JSON files in `staging`."""
    request_file, result_file = staging / "request.json", staging / "result.json"
    request_file.write_text(json.dumps(request), encoding="utf-8")
    argv = command(paths.SPARK_JOBS / f"{job}.py", request["name"], [str(request_file), str(result_file)])
    child.run(f"spark-submit {job}", argv, _environment(), journal.folder() / f"{job}.log")
    return json.loads(result_file.read_text(encoding="utf-8"))


def command(application: Path, name: str, arguments: list[str]) -> list[str]:
    """The command line of spark-submit."""
    settings = config.read(config.spark)
    options = {
        "--master": settings.master,
        "--deploy-mode": settings.deploy_mode,
        "--name": name,
        "--driver-memory": settings.driver_memory,
        "--executor-memory": settings.executor_memory,
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    confs = [part for pair in filter(None, settings.conf.split("|")) for part in ("--conf", _checked(pair.strip()))]
    return [str(_spark_home() / "bin" / "spark-submit"), *given, *confs, str(application), *arguments]


def _checked(pair: str) -> str:
    if "=" not in pair:
        raise PipelineError(f"luigi.cfg, section [spark], key conf: expected a=1|b=2, found {pair!r}")
    return pair


def _spark_home() -> Path:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise PipelineError("pyspark: not installed in this environment; run make setup")
    return Path(found.origin).parent


def _environment() -> dict[str, str]:
    return child.environment(
        JAVA_HOME=str(java_home(paths.java_runtime())),
        SPARK_HOME=str(_spark_home()),
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_DRIVER_PYTHON=sys.executable,
        PYTHONPATH=str(paths.PROJECT),
    )
