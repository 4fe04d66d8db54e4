"""The Spark driver, as a process that spark-submit started."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from spark_jobs.engine import file_modes

if TYPE_CHECKING:
    from pyspark import SparkContext

PACKAGE_PARENT = Path(__file__).parents[2]
"""Where Python imports this package from: a folder, or an archive that came with --py-files."""
STARTED_BY_SPARK_SUBMIT = "PYSPARK_GATEWAY_PORT"
"""Environment variable: spark-submit gives its Python a port to reach Java at."""


def start_spark(modules: Sequence[str]) -> tuple["SparkContext", list[ModuleType]]:
    """Start Spark as spark-submit was told to, and meanwhile import modules, which takes as long where pyarrow is
    among them. Python workers on this machine import the package from where it is imported here."""
    _prefer_installed_pyspark()
    from pyspark import SparkContext

    with ThreadPoolExecutor(1) as beside:
        imported = [beside.submit(import_module, name) for name in modules]
        spark = SparkContext(environment={"PYTHONPATH": str(PACKAGE_PARENT)})
        file_modes.restrict_driver(spark)
        return spark, [each.result() for each in imported]


def _prefer_installed_pyspark() -> None:
    """Import pyspark from the package that spark-submit belongs to, where it is installed as one.

    spark-submit puts archives of the same modules before it on the path. They hold no byte code, so that the import
    takes 0.4 s instead of 0.1 s.
    """
    home = os.environ.get("SPARK_HOME")
    if home and Path(home) in [Path(entry) / "pyspark" for entry in sys.path]:
        sys.path[:] = [entry for entry in sys.path if Path(home) / "python" / "lib" not in Path(entry).parents]


def end_with_spark_submit() -> None:
    """End in good order on SIGTERM, and when spark-submit ends, however that happens: it holds our standard input."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if STARTED_BY_SPARK_SUBMIT in os.environ:
        threading.Thread(target=_await_end_of_spark_submit, daemon=True).start()


def _await_end_of_spark_submit() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
