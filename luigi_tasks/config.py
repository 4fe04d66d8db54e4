"""All settings: one class per section of luigi.cfg. Settings that change results are part of the fingerprints."""

import operator
import sys
from functools import cache
from typing import TypeVar

import luigi

from luigi_tasks.setting_faults import require_valid_setting
from luigi_tasks.setting_kinds import MOST_OF_ANYTHING, MOST_SECONDS, RolePrefix, amount, whole_number
from spark_jobs.messages.jobs import MAX_DOCUMENT_BYTES

NEVER = "never"
ON_FAILURE = "failure"
ON_WARNINGS = "warnings"
ALWAYS = "always"
NOTIFY_LEVELS = (NEVER, ON_FAILURE, ON_WARNINGS, ALWAYS)
"""The values of [notify] on, from the fewest messages to the most."""
REFUSE = "refuse"
SET_ASIDE = "set_aside"
REPLACE = "replace"
FILL_IN = "fill_in"
LONGEST_DOCUMENT_BYTES = 500_000_000
"""A row of the warehouse has at most 1 GB on its way there, where each quote of a text stands twice."""


class landing(luigi.Config):
    """[landing]: where exports arrive."""

    folder: str = luigi.Parameter(default="data/landing", description="each entry directly below it is one batch")
    link_targets: str = luigi.Parameter(
        default="", description="folders outside that links in the landing folder may lead to: /a:/b; empty: none"
    )
    max_unpacked_bytes: int = whole_number(
        20_000_000_000,
        1,
        sys.maxsize,
        "a whole number of bytes; a compressed file that unpacks to more is refused",
    )
    max_document_bytes: int = whole_number(
        MAX_DOCUMENT_BYTES,
        64 << 20,
        LONGEST_DOCUMENT_BYTES,
        "a whole number of bytes from 67108864 to 500000000; a file with a longer document is refused",
    )
    ignore: str = luigi.Parameter(
        default="",
        description="more names that are left alone, as patterns of a shell: *.bak:copy-of-*; capitals do not matter",
    )


class sources(luigi.Config):
    """[sources]: what other exports than the native ones look like."""

    tables: str = luigi.Parameter(
        default="", description="a folder of TOML tables for sources of one's own; empty: only those that come along"
    )
    keep_private: bool = luigi.BoolParameter(
        default=False,
        parsing=luigi.BoolParameter.EXPLICIT_PARSING,
        description="true or false: whether direct messages and posts for followers only are loaded, too",
    )


class storage(luigi.Config):
    """[storage]: the object store of folders that are given as s3://bucket/… or gs://bucket/…."""

    endpoint: str = luigi.Parameter(
        default="", description="the URL of a store that is not Amazon's or Google's own: http://minio:9000; or empty"
    )
    region: str = luigi.Parameter(default="", description="the region of the buckets; empty: what the store says")


class checkpoints(luigi.Config):
    """[checkpoints]: where Extract, Clean and Audit keep their results."""

    folder: str = luigi.Parameter(
        default="data/checkpoints", description="a path that the driver and all executors share, or s3://… or gs://…"
    )
    local_folder: str = luigi.Parameter(
        default="data/local",
        description="what a run keeps on this machine where `folder` is in a store",
    )


class logs(luigi.Config):
    """[logs]: the logs of the stages and their child processes."""

    folder: str = luigi.Parameter(default="data/logs", description="one folder per run, one file per stage")
    keep_runs: int = whole_number(30, 1, MOST_OF_ANYTHING, "how many runs to keep the logs of")


class files(luigi.Config):
    """[files]: who may read what the pipeline leaves."""

    shared_group: str = luigi.Parameter(
        default="", description="a group that may read and write all of it; empty: the pipeline's account alone"
    )


class spark(luigi.Config):
    """[spark]: the arguments of spark-submit. None of them changes results."""

    master: str = luigi.Parameter(default="local[*]", description="local[*], spark://host:7077, yarn or k8s://…")
    driver_memory: str = luigi.Parameter(
        default="", description="memory of the JVM that plans and shuffles, such as 1g; empty: up to 1g, as fits"
    )
    executor_memory: str = luigi.Parameter(
        default="", description="memory of each executor; empty: Spark's own default"
    )
    conf: str = luigi.Parameter(default="", description="more Spark settings: a=1|b=2")
    properties_file: str = luigi.Parameter(
        default="", description="a file of mode 0600 with more Spark settings, such as the secret of a cluster"
    )
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
    environment: str = luigi.Parameter(
        default="", description="further environment variables that Spark's processes get: NAME|AWS_*"
    )
    max_batches: int = whole_number(1000, 1, MOST_OF_ANYTHING, "maximum number of batches per request")


class quality(luigi.Config):
    """[quality]: when a batch is stopped, and which missing values are filled in."""

    max_rejected_share: float = luigi.NumericalParameter(
        default=0.25,
        var_type=float,
        min_value=0.0,
        max_value=1.0,
        right_op=operator.le,
        description="Audit stops a batch if more than this share of any entity was rejected",
    )
    fill_missing_age: str = luigi.ChoiceParameter(
        default="none", choices=("none", "median"), description="median: of the batch; age_imputed is then true"
    )
    partial_users: str = luigi.ChoiceParameter(
        default=REPLACE,
        choices=(REPLACE, FILL_IN),
        description="what a later record of a user does to the earlier one: replace: it counts as it is; "
        "fill_in: each field that it lacks keeps its last known value",
    )


class privacy(luigi.Config):
    """[privacy]: who may see what."""

    role_prefix: str = RolePrefix(
        default="",
        description="up to 40 of a-z, 0-9 and _, with which the names of the warehouse's roles begin; empty: no roles, "
        "the login owns everything",
    )
    mask_marts: bool = luigi.BoolParameter(
        default=True,
        parsing=luigi.BoolParameter.EXPLICIT_PARSING,
        description="true or false: whether the schema marts has masks; marts_personal never has",
    )
    open_group_size: int = whole_number(
        10, 2, MOST_OF_ANYTHING, "how many persons a group in the schema open has at least, 2 or more"
    )


class warehouse(luigi.Config):
    """[warehouse]: the PostgreSQL server that the PG* variables name, or else the embedded one."""

    embedded_folder: str = luigi.Parameter(default="data/postgres", description="the data of the embedded server")
    connect_timeout: int = whole_number(10, 1, MOST_SECONDS, "seconds to wait for a connection")
    lock_timeout: int = whole_number(60, 0, MOST_SECONDS, "seconds to wait for a lock that another session holds")
    statement_timeout: int = whole_number(
        21_600,
        1,
        MOST_SECONDS,
        "a whole number of seconds from 1 to 2000000; a statement that takes longer is cancelled",
    )
    silence_timeout: int = whole_number(
        60,
        1,
        MOST_SECONDS,
        "a whole number of seconds from 1 to 2000000; a connection without a sign of life is then given up",
    )
    retries: int = whole_number(5, 1, MOST_OF_ANYTHING, "attempts when the warehouse fails temporarily")
    retry_seconds: int = whole_number(60, 0, MOST_SECONDS, "total seconds to wait between attempts")
    verify_days: float = amount(
        0.0, "days after which a run compares all rows again, changed or not; 0: only those of changed tables"
    )
    dependent_views: str = luigi.ChoiceParameter(
        default=REFUSE,
        choices=(REFUSE, SET_ASIDE),
        description="what to do where views of others would be lost; set_aside: keep their text in etl.set_aside",
    )


class dbt(luigi.Config):
    """[dbt]: how dbt is called."""

    project: str = luigi.Parameter(default="", description="empty: the dbt_project folder beside this package")
    threads: int = whole_number(4, 1, MOST_OF_ANYTHING, "models and tests that run at the same time")
    environment: str = luigi.Parameter(
        default="", description="further environment variables that dbt gets, for a project of your own: NAME|DBT_*"
    )


class report(luigi.Config):
    """[report]: where the pages about the marts are written."""

    folder: str = luigi.Parameter(default="data/report", description="folder of the report, index.html")
    docs_folder: str = luigi.Parameter(
        default="data/docs", description="folder of dbt's page about the models and their lineage, index.html"
    )


class export(luigi.Config):
    """[export]: where the marts are copied to as Parquet, and as which readers see them."""

    folder: str = luigi.Parameter(
        default="", description="a folder, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER; empty: the marts are not exported"
    )
    schema: str = luigi.ChoiceParameter(
        default="marts_personal",
        choices=("marts_personal", "marts", "open"),
        description="marts_personal: with personal data; marts: with masks, if [privacy] mask_marts has them; open: "
        "figures of groups",
    )


class dashboard(luigi.Config):
    """[dashboard]: whether a run reports to luigid, whose address is in [core]."""

    use: str = luigi.ChoiceParameter(
        default="auto",
        choices=("auto", "always", "never"),
        description="auto: a run is shown by luigid where it answers; always: it says if none does; never",
    )


class notify(luigi.Config):
    """[notify]: when a message about a run is sent. SOCIALMART_NOTIFY in the environment says where to."""

    on: str = luigi.ChoiceParameter(
        default="warnings",
        choices=NOTIFY_LEVELS,
        description="never, failure, warnings (and failures) or always",
    )
    stale_hours: float = amount(0.0, "hours without a load after which a run warns that no new data comes; 0: never")
    silent_hours: float = amount(
        6.0, "hours that another run may tell nothing; then a run ends with 15 instead of 10; 0: no limit"
    )


SECTIONS: tuple[type[luigi.Config], ...] = (
    landing,
    sources,
    storage,
    checkpoints,
    logs,
    files,
    spark,
    quality,
    privacy,
    warehouse,
    dbt,
    report,
    export,
    dashboard,
    notify,
)
"""All sections, in the order of luigi.cfg; `socialmart doctor` checks each."""

Section = TypeVar("Section", bound=luigi.Config)


def read_section(section: type[Section]) -> Section:
    """Return the settings of a section. Raises PipelineError naming the section and key of a value that is invalid."""
    return read_section_once(section)  # type: ignore[return-value]


@cache
def read_section_once(section: type[luigi.Config]) -> luigi.Config:
    """The same, cached: settings do not change during a run, and Luigi's lookup would dominate every check."""
    for key, parameter in section.get_params():
        require_valid_setting(section, key, parameter)
    return section()
