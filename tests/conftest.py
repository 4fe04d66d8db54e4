"""One Spark for all tests: starting one costs more than everything else here."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from luigi_tasks.java import java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL = {
    "spark.master": "local[1]",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",  # a handful of rows: one task is faster than two hundred
    "spark.sql.adaptive.enabled": "false",  # nothing to adapt to, and every query is planned twice
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """Spark with the jobs' own session settings (UTC among them), made small."""
    from spark_jobs import job

    folder = tmp_path_factory.mktemp("spark")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["JAVA_HOME"] = str(java_home(folder))
    settings = SMALL | {"spark.sql.warehouse.dir": str(folder / "warehouse"), "spark.local.dir": str(folder / "local")}
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join(
        [*(f"--conf {name}={value}" for name, value in settings.items()), "pyspark-shell"]
    )
    session = job.session("tests")
    yield session
    session.stop()
