"""Every path of the project, each a small function. Relative settings start at the run's working directory.

Paths that are needed for thousands of batches are cached: settings do not change during a run.
"""

import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from luigi_tasks import config
from luigi_tasks.errors import PipelineError
from luigi_tasks.run_id import DATED_RUN, RUN_TIME
from spark_jobs import storage
from spark_jobs.storage import Location

PROJECT = Path(__file__).resolve().parent.parent
SPARK_JOBS = PROJECT / "spark_jobs"
PACKAGED_DBT_PROJECT = PROJECT / "dbt_project"
OWN_MAP = "privacy.yml"
"""In the folder of a dbt project of one's own: what the map of personal data says of its columns."""
LUIGID_SETTINGS = PROJECT / "luigi_tasks/cli/luigid.cfg"
LOADER_CODE = (
    PROJECT / "luigi_tasks/stages/load.py",
    PROJECT / "luigi_tasks/warehouse/copy_rows.py",
    SPARK_JOBS / "schemas.py",
    SPARK_JOBS / "parquet_blocks.py",
)
PUBLISH_CODE = (PROJECT / "luigi_tasks/dbt/publication.py", PROJECT / "luigi_tasks/privacy/masks.py")
REPORT_CODE = tuple(PROJECT / "luigi_tasks/report" / name for name in ("page.py", "data.py", "queries.py", "target.py"))
REPORT_TEMPLATE = PROJECT / "luigi_tasks/report/template"
EXPORT_CODE = tuple(PROJECT / "luigi_tasks/export" / name for name in ("columns.py", "mart_files.py", "version.py"))
AUDIT_CODE = (PROJECT / "luigi_tasks/quality/ledger.py", PROJECT / "luigi_tasks/targets/ledger_file.py")

PATTERN_CHARACTERS = re.compile(r"[%*?\[\]{}\\^,:]")
"""Characters that Spark interprets in a path, even with patterns turned off."""
LONGEST_NAME = 255
"""Bytes: the limit of common file systems for one name."""

MANIFEST = "manifest.json"
LEDGER = "ledger.json"


def find_package(name: str) -> Path | None:
    """The folder of an installed package; None where there is none. PYTHONPATH, which may lead to another installation
    of Spark, is searched last."""
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = [entry for entry in sys.path if entry not in others]
    found = importlib.machinery.PathFinder.find_spec(name, own) or importlib.util.find_spec(name)
    return None if found is None or found.origin is None else Path(found.origin).parent


def locate(folder: str, setting: str) -> Location:
    """The folder that a setting, such as `[landing], key folder`, names in the file system or in an object store.

    Raises PipelineError for a URI that names no store that is known, or no bucket, or holds a key or an option.
    """
    if not storage.is_uri(folder):
        return Path(folder).absolute()
    scheme, _, key = folder.partition("://")
    if scheme not in storage.SCHEMES or not key.strip("/") or re.search(r"[@?#]", key):
        raise PipelineError(
            f"luigi.cfg, section {setting}: expected a folder, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER; correct it; "
            "credentials belong into the environment, an endpoint into [storage]"
        )
    settings = config.read_section(config.storage)
    return storage.locate(folder, settings.endpoint, settings.region)


@cache
def landing() -> Location:
    return locate(config.read_section(config.landing).folder, "[landing], key folder")


@cache
def checkpoints() -> Location:
    return locate(config.read_section(config.checkpoints).folder, "[checkpoints], key folder")


@cache
def local_state() -> Path:
    """What a run keeps on this machine: the checkpoints folder, or another one where that is in an object store."""
    settings = config.read_section(config.checkpoints)
    return Path(settings.local_folder if storage.is_uri(settings.folder) else settings.folder).absolute()


def uses_store() -> bool:
    """Whether the landing folder or the checkpoints are in an object store."""
    settings = (config.read_section(config.landing), config.read_section(config.checkpoints))
    return any(storage.is_uri(each.folder) for each in settings)


@cache
def checkpoint(stage: str, batch: str) -> Location:
    """The folder of one stage's checkpoint of a batch."""
    return checkpoints() / stage / folder_name(batch)


def folder_name(batch: str) -> str:
    """A batch's name as a folder name: pattern characters are written %XX; a digest replaces the end of a long name."""
    name = PATTERN_CHARACTERS.sub(lambda found: f"%{ord(found.group()):02X}", batch)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    end = "%" + hashlib.sha256(batch.encode()).hexdigest()
    return name.encode()[: LONGEST_NAME - len(end)].decode("utf-8", "ignore") + end


def staging() -> Path:
    """Where stages build checkpoints: on the same file system, so that a finished one appears by a rename."""
    return local_state() / ".staging"


def project_id() -> Location:
    """Tells this project from others that name the same warehouse."""
    return checkpoints() / ".project"


def run_lock() -> Path:
    return local_state() / ".run.lock"


def logs() -> Path:
    return Path(config.read_section(config.logs).folder).absolute()


def service_logs(name: str) -> Path:
    """Logs of a service beside the pipeline, such as a cluster."""
    return logs() / ".services" / name


def runs() -> list[Path]:
    """The log folders of all runs, oldest first. Those dated in the future, by a clock that was ahead, come before all
    others: the last one is the latest, and they are the first to be deleted."""
    now = f"{datetime.now(UTC) + timedelta(minutes=1):{RUN_TIME}}"

    def is_in_future(name: str) -> bool:  # a run may have been given a name without a time
        return name > now and DATED_RUN.match(name) is not None

    found = (path for path in logs().glob("[!.]*") if path.is_dir())
    return sorted(found, key=lambda path: (not is_in_future(path.name), path.name))


def run_logs(run_id: str) -> Path:
    return logs() / run_id


def journal(run_id: str) -> Path:
    """The journal of a run, JSON Lines: see runs/journal.py."""
    return run_logs(run_id) / "journal.jsonl"


def stage_log(run_id: str, stage: str) -> Path:
    """What a stage logged, as JSON Lines."""
    return run_logs(run_id) / f"{stage.replace(' ', '_')}.jsonl"


def embedded_postgres() -> Path:
    return Path(config.read_section(config.warehouse).embedded_folder).absolute()


def report() -> Path:
    return Path(config.read_section(config.report).folder).absolute() / "index.html"


def export() -> Location | None:
    """Where the marts are copied to as Parquet; None where they are not."""
    folder = config.read_section(config.export).folder
    return locate(folder, "[export], key folder") if folder else None


def docs() -> Path:
    """dbt's page about the models."""
    return Path(config.read_section(config.report).docs_folder).absolute() / "index.html"


def plotly_js() -> Path:
    """The chart library inside the installed Python package plotly."""
    return Path(str(importlib.metadata.distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))


def java_runtime() -> Path:
    """The wrapper around the packaged Java, inside the Python environment that it belongs to."""
    return Path(sys.prefix) / "share" / "socialmart-java"


def dbt_project() -> Path:
    configured = config.read_section(config.dbt).project
    return Path(configured).absolute() if configured else PACKAGED_DBT_PROJECT


def dbt_target() -> Path:
    return local_state() / "dbt"
