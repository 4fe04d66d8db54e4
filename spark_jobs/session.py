"""The Spark driver of a run: one session that does the run's jobs one after the other.

    python -m spark_jobs.session DESCRIPTOR

DESCRIPTOR is the socket on which the stages ask (see serving.py). Master, memory and all other settings are those of
spark-submit, taken from PYSPARK_SUBMIT_ARGS; the driver runs here, executors wherever the master puts them.
"""

import signal
import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from pyspark import SparkContext

from spark_jobs.engine.request_server import Tell, serve

Job = Callable[[SparkContext, dict[str, Any], Tell], dict[str, Any]]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that its folder goes
    with ThreadPoolExecutor(1) as beside:  # Java takes longer to start than pyarrow to be imported
        jobs = beside.submit(import_module, "spark_jobs.clean"), beside.submit(import_module, "spark_jobs.extract")
        spark = SparkContext()
        clean, extract = (job.result() for job in jobs)
    with tempfile.TemporaryDirectory() as folder:
        if not str(spark.master).startswith("local"):
            spark.addPyFile(str(_zipped(Path(folder))))
        handlers = {"extract": partial(_run, extract.run, spark), "clean": partial(_run, clean.run, spark)}
        serve(int(sys.argv[1]), handlers)
    spark.stop()


def _run(job: Job, spark: SparkContext, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """A job's result. Who asked is told where Spark shows itself at work, too; None where it does not."""
    url = _page(spark)
    return job(spark, request, lambda progress: tell({**progress, "url": url}))


def _page(spark: SparkContext) -> str | None:
    """Below the master's page, where that is the way to it."""
    conf = spark.getConf()
    if spark.uiWebUrl and conf.get("spark.ui.reverseProxy") == "true":
        return f"{conf.get('spark.ui.reverseProxyUrl', '')}/proxy/{spark.applicationId}/"
    return spark.uiWebUrl


def _zipped(folder: Path) -> Path:
    """This package as executors elsewhere can import it."""
    archive = folder / "spark_jobs.zip"
    package = Path(__file__).parent
    with zipfile.ZipFile(archive, "w") as file:
        for module in sorted(package.rglob("*.py")):
            file.write(module, module.relative_to(package.parent))
    return archive


if __name__ == "__main__":
    main()
