"""All settings, one class a section of luigi.cfg. What matters to the results is part of the fingerprints."""

import configparser
import operator
import sys
from functools import cache
from pathlib import Path
from typing import TypeVar

import luigi

from luigi_tasks.errors import PipelineError

LEVELS = ("never", "failure", "warnings", "always")
"""When a message is sent, each level before it included."""


class landing(luigi.Config):
    """[landing]: where exports are dropped."""

    folder: str = luigi.Parameter(default="data/landing", description="every entry directly below it is one batch")
    max_unpacked_bytes: int = luigi.NumericalParameter(
        default=20_000_000_000,
        var_type=int,
        min_value=1,
        max_value=sys.maxsize,
        description="a whole number of bytes; a compressed file that unpacks to more is broken",
    )


class checkpoints(luigi.Config):
    """[checkpoints]: where Extract, Clean and Audit leave their results."""

    folder: str = luigi.Parameter(
        default="data/checkpoints", description="a path that the driver and all executors share"
    )


class logs(luigi.Config):
    """[logs]: what the stages and their children say."""

    folder: str = luigi.Parameter(default="data/logs", description="one folder a run, one file a stage")
    keep_runs: int = luigi.IntParameter(default=30, description="how many runs' folders are kept")


class spark(luigi.Config):
    """[spark]: the arguments of spark-submit. None of it changes results."""

    master: str = luigi.Parameter(default="local[*]", description="local[*], spark://host:7077, yarn or k8s://…")
    driver_memory: str = luigi.Parameter(default="1g", description="of the JVM that plans and shuffles")
    executor_memory: str = luigi.Parameter(default="", description="empty: Spark's own default")
    conf: str = luigi.Parameter(default="", description="further Spark settings: a=1|b=2")
    session: str = luigi.ChoiceParameter(
        default="shared",
        choices=("shared", "submit"),
        description="shared: one Spark driver a run; submit: a spark-submit of its own for each of Extract and Clean",
    )
    deploy_mode: str = luigi.ChoiceParameter(
        default="client",
        choices=("client", "cluster"),
        description="where the driver of a spark-submit runs; cluster: for YARN and Kubernetes, with session = submit",
    )
    max_batches: int = luigi.IntParameter(default=1000, description="how many batches one request takes at most")


class quality(luigi.Config):
    """[quality]: when a batch is stopped, and what is filled in."""

    max_rejected_share: float = luigi.NumericalParameter(
        default=0.25,
        var_type=float,
        min_value=0.0,
        max_value=1.0,
        right_op=operator.le,
        description="Audit stops a batch of which more than this share of any entity was rejected",
    )
    fill_missing_age: str = luigi.ChoiceParameter(
        default="none", choices=("none", "median"), description="median: the batch's; age_imputed is then true"
    )


class warehouse(luigi.Config):
    """[warehouse]: the PostgreSQL that PG* variables name, or the embedded one where they name none."""

    embedded_folder: str = luigi.Parameter(default="data/postgres", description="the embedded server's data")
    connect_timeout: int = luigi.IntParameter(default=10, description="seconds")
    lock_timeout: int = luigi.IntParameter(default=60, description="seconds to wait for somebody else's lock")
    retries: int = luigi.IntParameter(default=5, description="attempts at what may have failed for a moment only")
    retry_seconds: int = luigi.IntParameter(default=60, description="seconds to wait between them, all together")


class dbt(luigi.Config):
    """[dbt]: how dbt is called."""

    project: str = luigi.Parameter(default="", description="empty: the dbt_project beside this package")
    threads: int = luigi.IntParameter(default=4, description="models and tests that run at once")


class report(luigi.Config):
    """[report]: where the pages about the marts are left."""

    folder: str = luigi.Parameter(default="data/report", description="the report, index.html")
    docs_folder: str = luigi.Parameter(default="data/docs", description="the models and their lineage, index.html")


class dashboard(luigi.Config):
    """[dashboard]: whether a run tells luigid, whose place is in [core]."""

    use: str = luigi.ChoiceParameter(
        default="auto",
        choices=("auto", "always", "never"),
        description="auto: luigid where it answers, else the local scheduler; always; or never, and [core] decides",
    )


class notify(luigi.Config):
    """[notify]: when a message about a run is sent; where to, is in the environment."""

    on: str = luigi.ChoiceParameter(
        default="warnings",
        choices=LEVELS,
        description="never, failure, warnings (failures too) or always",
    )
    stale_hours: float = luigi.NumericalParameter(
        default=0.0,
        var_type=float,
        min_value=0.0,
        max_value=sys.float_info.max,
        description="hours without a load after which it is unusual that nothing new comes; 0: never",
    )


SECTIONS: tuple[type[luigi.Config], ...] = (
    *(landing, checkpoints, logs, spark, quality),
    *(warehouse, dbt, report, dashboard, notify),
)

Section = TypeVar("Section", bound=luigi.Config)


def read(section: type[Section]) -> Section:
    """The settings of a section. A value that cannot be read is named with its section and key."""
    return read_once(section)  # type: ignore[return-value]


@cache
def read_once(section: type[luigi.Config]) -> luigi.Config:
    """Settings do not change under a run, and Luigi's look-up takes longer than all else that a check does."""
    family = section.get_task_family()
    for key, parameter in section.get_params():
        try:
            parameter.task_value(family, key)
        except (ValueError, KeyError, configparser.Error, luigi.parameter.ParameterException) as error:
            raise PipelineError(
                f"luigi.cfg, section [{family}], key {key}: cannot be read ({error}); expected: {parameter.description}"
            ) from error
    return section()


def require_exit_codes() -> None:
    """Leave where no luigi.cfg, or none with exit codes, was read: Luigi would end a run that failed with 0."""
    if not luigi.configuration.get_config().has_section("retcode"):
        raise SystemExit(
            f"luigi.cfg: none with a section [retcode] is in {Path.cwd()}; go to where it is, or set LUIGI_CONFIG_PATH"
        )
