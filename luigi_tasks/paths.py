"""Every path of the project, each a small function. Relative settings count from the folder the run was started in.

Those that are asked for thousands of batches are worked out once: settings do not change under a run.
"""

import hashlib
import importlib.metadata
import re
import sys
from functools import cache
from pathlib import Path

from luigi_tasks import config

PROJECT = Path(__file__).resolve().parent.parent
SPARK_JOBS = PROJECT / "spark_jobs"
LUIGID_SETTINGS = PROJECT / "luigi_tasks/cli/luigid.cfg"
LOADER_CODE = (
    PROJECT / "luigi_tasks/stages/load.py",
    PROJECT / "luigi_tasks/warehouse/copy_rows.py",
    SPARK_JOBS / "schemas.py",
)
PUBLISH_CODE = (PROJECT / "luigi_tasks/dbt/publication.py",)
REPORT_CODE = tuple(PROJECT / "luigi_tasks/report" / name for name in ("page.py", "data.py", "queries.py", "target.py"))
REPORT_TEMPLATE = PROJECT / "luigi_tasks/report/template"
AUDIT_CODE = (PROJECT / "luigi_tasks/quality/ledger.py",)

PATTERN_CHARACTERS = re.compile(r"[%*?\[\]{}\\^,:]")
LONGEST_NAME = 255
"""So many bytes a file system takes for a name."""

MANIFEST = "manifest.json"
LEDGER = "ledger.json"


@cache
def landing() -> Path:
    return Path(config.read(config.landing).folder).absolute()


@cache
def checkpoints() -> Path:
    return Path(config.read(config.checkpoints).folder).absolute()


@cache
def checkpoint(stage: str, batch: str) -> Path:
    """The folder of a batch's checkpoint."""
    return checkpoints() / stage / folder_name(batch)


def folder_name(batch: str) -> str:
    """A batch's name as a folder's: what Spark takes for a pattern is written %XX, even with patterns turned off.

    A digest takes the place of the end of one that gets too long.
    """
    name = PATTERN_CHARACTERS.sub(lambda found: f"%{ord(found.group()):02X}", batch)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    end = "%" + hashlib.sha256(batch.encode()).hexdigest()
    return name.encode()[: LONGEST_NAME - len(end)].decode("utf-8", "ignore") + end


def staging() -> Path:
    """Where stages build what is not finished yet: on the checkpoints' own file system, so that it can be renamed."""
    return checkpoints() / ".staging"


def run_lock() -> Path:
    return checkpoints() / ".run.lock"


def logs() -> Path:
    return Path(config.read(config.logs).folder).absolute()


def service_logs(name: str) -> Path:
    """What runs beside the pipeline, such as a cluster, says."""
    return logs() / ".services" / name


def runs() -> list[Path]:
    """The folders of all runs, in the order of their names: the oldest first."""
    return sorted(path for path in logs().glob("[!.]*") if path.is_dir())


def run_logs(run_id: str) -> Path:
    return logs() / run_id


def journal(run_id: str) -> Path:
    """One line of JSON an event: see journal.py."""
    return run_logs(run_id) / "journal.jsonl"


def stage_log(run_id: str, stage: str) -> Path:
    """One line of JSON a line that the stage logged."""
    return run_logs(run_id) / f"{stage.replace(' ', '_')}.jsonl"


def embedded_postgres() -> Path:
    return Path(config.read(config.warehouse).embedded_folder).absolute()


def report() -> Path:
    return Path(config.read(config.report).folder).absolute() / "index.html"


def docs() -> Path:
    """dbt's page about the models."""
    return Path(config.read(config.report).docs_folder).absolute() / "index.html"


def plotly_js() -> Path:
    """The chart library, as its Python package brings it along."""
    return Path(str(importlib.metadata.distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))


def java_runtime() -> Path:
    """Where the wrapper around the packaged Java is made: beside the environment it belongs to."""
    return Path(sys.prefix) / "share" / "socialmart-java"


def dbt_project() -> Path:
    configured = config.read(config.dbt).project
    return Path(configured).absolute() if configured else PROJECT / "dbt_project"


def dbt_target() -> Path:
    return checkpoints() / "dbt"
