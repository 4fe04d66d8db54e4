"""The doctor's checks of settings, installed programs and services. They change nothing."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import luigi
import yaml
from luigi.interface import core

from luigi_tasks import config, paths, setting_faults
from luigi_tasks.cli.doctor.check import OK, WARN, Result
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes.environment import SPARK_LOCAL, make_environment, require_utf8
from luigi_tasks.runs import luigi_settings, scheduler
from luigi_tasks.spark import java, session, submit

LOOKS_SECRET = re.compile(r"secret|password|token|access[.]?key", re.IGNORECASE)
"""Names of Spark settings whose values Spark itself hides."""
SECONDS_TO_ANSWER = 5
"""Seconds that a service may take to accept a connection."""
SECONDS_TO_IMPORT = 60
"""Seconds that Python may take to import pyspark, also from a slow disk."""


def check_settings() -> Result:
    """Whether luigi.cfg is there, every setting can be read, and none is unknown."""
    file = Path(os.environ.get("LUIGI_CONFIG_PATH", "luigi.cfg")).absolute()
    if not (file.is_file() and os.access(file, os.R_OK)):
        raise PipelineError(f"{file}: not there or not readable; go to where it is, or set LUIGI_CONFIG_PATH")
    if faults := setting_faults.list_faults(core, *config.SECTIONS):
        raise PipelineError("; ".join(faults.values()))
    luigi_settings.require_fitting_settings()
    require_utf8()
    unknown = [key for section in config.SECTIONS for key in _list_unknown_keys(section)]
    if unknown:
        return Result(WARN, f"{', '.join(unknown)}: unknown, so without effect; README.md lists all settings")
    return Result(OK, str(file))


def _list_unknown_keys(section: type[luigi.Config]) -> list[str]:
    """The keys of a section of luigi.cfg that are no setting of ours, as "[section] key"."""
    parser, family = luigi.configuration.get_config(), section.get_task_family()
    written = parser.options(family) if parser.has_section(family) else []
    known = section.get_param_names(include_significant=True)
    return [f"[{family}] {key}" for key in written if key.replace("-", "_") not in known]


def check_java() -> Result:
    """Which Java Spark jobs run with, and whether JAVA_HOME is respected."""
    configured = os.environ.get("JAVA_HOME")
    with tempfile.TemporaryDirectory() as name:  # the wrapper around the packaged Java may be made there
        home = java.java_home(Path(name))
        if why := java.find_start_error(home):
            raise PipelineError(f"the Java that would run Spark does not start ({why}); correct that and run again")
        is_packaged = Path(name) in home.parents
        found = f"Java {java.version(home)}, {'packaged' if is_packaged else home}"
    if configured and home != Path(configured):
        return Result(
            WARN, f"{found}, as JAVA_HOME={configured} is not Java {java.OLDEST_JAVA} or newer; correct or unset it"
        )
    if not is_packaged:
        return Result(OK, found)
    if not java.aot_cache(paths.java_runtime()).exists():
        return Result(WARN, f"{found}, without the cache that makes Spark start faster; run socialmart java --prepare")
    return Result(OK, f"{found}, with its AOT cache")


def check_spark() -> Result:
    """Whether pyspark can be imported, and Spark starts: on this machine, or a standalone cluster's master answers."""
    master = config.read_section(config.spark).master
    submit.require_possible()
    command = [sys.executable, "-c", "import pyspark; print(pyspark.__version__)"]
    environ = make_environment(SPARK_LOCAL)
    imported = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=SECONDS_TO_IMPORT, check=False
    )
    if imported.returncode != 0:
        why = " ".join(imported.stderr.strip().splitlines()[-1:])
        raise PipelineError(f"pyspark cannot be imported ({why}); run make setup")
    if master.startswith("spark://"):
        _require_master(master)
    if submit.is_local_master(master):
        session.require_start()
    found = f"pyspark {imported.stdout.strip()}, master {master}"
    in_argv = [name for name in submit.read_confs() if LOOKS_SECRET.search(name) and name != submit.AUTHENTICATE]
    if in_argv:
        return Result(
            WARN,
            f"{found}; {', '.join(in_argv)} of [spark] conf shows in the list of processes; put it into a file of mode "
            "0600 and name that by [spark] properties_file",
        )
    if submit.is_authenticated() is None:
        return Result(
            WARN,
            f"{found}; Spark's processes ask each other for no secret, so others can end a run's tasks; give the "
            f"cluster one by [spark] properties_file, or set {submit.AUTHENTICATE}=false in [spark] conf",
        )
    return Result(OK, found)


def _require_master(master: str) -> None:
    """Raise PipelineError unless a master answers. Of several, one leads and the others wait: one is enough."""
    places = master.removeprefix("spark://").split(",")
    if not all(re.fullmatch(r".+:\d{1,5}", place) for place in places):
        raise PipelineError(f"luigi.cfg, section [spark], key master: expected spark://host:port, found {master}")
    split = [place.rpartition(":") for place in places]
    refused = [scheduler.find_connection_error(host, int(port), SECONDS_TO_ANSWER) for host, _, port in split]
    if all(refused):
        raise PipelineError(f"{master}: no answer ({refused[0]}); start the master, or set [spark] master in luigi.cfg")


def check_dbt() -> Result:
    """Whether dbt is installed, and its project and profile can be read."""
    folder = paths.dbt_project()
    profile = _read_yaml(folder / "dbt_project.yml").get("profile")
    if profile not in _read_yaml(folder / "profiles.yml"):
        raise PipelineError(f"{folder / 'profiles.yml'}: no profile {profile}, which dbt_project.yml names; add it")
    try:
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("dbt-core", "dbt-postgres")]
    except importlib.metadata.PackageNotFoundError as error:
        raise PipelineError(f"{error.name}: not installed in this environment; run make setup") from error
    return Result(OK, f"{', '.join(versions)}, project {folder}")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PipelineError(f"{path}: cannot be read ({error}); fix it, or set [dbt] project in luigi.cfg") from error
    if not isinstance(found, dict):
        raise PipelineError(f"{path}: keys and values expected, {type(found).__name__} found; fix it")
    return found


def check_luigid() -> Result:
    """Whether luigid answers, if it is to show runs. They do the same without it."""
    use = config.read_section(config.dashboard).use
    if use == "never":
        return Result(OK, "not used, as [dashboard] use is never")
    settings = config.read_section(core)
    host, port = scheduler.get_luigid_address(settings)
    if why := scheduler.find_connection_error(host, port, SECONDS_TO_ANSWER) or scheduler.find_luigid_fault(settings):
        if use == "auto":
            return Result(OK, f"none at {host}:{port}, so runs go on without it")
        return Result(
            WARN, f"no answer at {host}:{port} ({why}); start luigid there, or set [dashboard] use = auto in luigi.cfg"
        )
    return Result(OK, f"answers at {host}:{port}")
