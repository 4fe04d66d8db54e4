"""What tests share: one Spark, as starting one costs more than everything else here; folders to run all in; and chance,
which has to be the same in all processes of a test run."""

import os
import random
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from project import MakeProject, projects

from luigi_tasks import run_id
from luigi_tasks.spark.java import java_home
from luigi_tasks.warehouse.embedded import location

if TYPE_CHECKING:
    from pyspark import SparkContext

SMALL = {
    "spark.master": "local[1]",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
}


os.environ.setdefault("FAULTS_SEED", str(random.SystemRandom().randrange(10_000)))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Number the cases whose value is bytes: all processes of a test run have to give the same names, and what gzip
    packed holds the second in which it did."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkContext"]:
    """Spark as the jobs have it, made small."""
    from pyspark import SparkContext

    folder = tmp_path_factory.mktemp("spark")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["JAVA_HOME"] = str(java_home(folder))
    settings = SMALL | {"spark.local.dir": str(folder / "local")}
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join(
        [*(f"--conf {name}={value}" for name, value in settings.items()), "pyspark-shell"]
    )
    context = SparkContext()
    yield context
    context.stop()


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Commands that a test calls in its own process leave a private umask, which is not for the next test."""
    umask = os.umask(0)
    os.umask(umask)
    yield
    os.umask(umask)


@pytest.fixture(autouse=True)
def no_run() -> None:
    """What a test calls in its own process may begin a run; commands that the next test starts are no part of it."""
    os.environ.pop(run_id.VARIABLE, None)


@pytest.fixture(scope="session", autouse=True)
def clusters_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Root's embedded clusters live outside pytest's folders, which their server cannot enter; all go at the end."""
    base = tmp_path_factory.getbasetemp()
    yield
    for place in base.rglob(location.PLACE):
        home = location.find_home(place.parent)
        if home is not None and home != place.parent:
            shutil.rmtree(home)


@pytest.fixture(scope="module")
def make_project() -> Iterator[MakeProject]:
    """Makes projects, all gone after the module."""
    with projects() as make:
        yield make
