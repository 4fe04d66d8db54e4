"""Checks whether the pipeline can run here, and says what to do where something is wrong. Changes nothing."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import luigi
import yaml
from luigi.interface import core

from luigi_tasks import config, paths
from luigi_tasks.cli.doctor import check, folders, postgresql
from luigi_tasks.cli.doctor.check import FAIL, OK, WARN, Check, Finding, Result
from luigi_tasks.cli.summary import GREEN, PLAIN, RED
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.runs import scheduler
from luigi_tasks.spark import java, submit

YELLOW = "\033[33m"
COLOURS = {OK: GREEN, WARN: YELLOW, FAIL: RED}
SECONDS_TO_ANSWER = 5
SECONDS_TO_IMPORT = 60


def examine() -> list[Finding]:
    """What all checks find, in the order in which they are made."""
    return check.examine(CHECKS)


def as_text(findings: list[Finding], coloured: bool) -> str:
    """A line a finding, and the verdict."""
    lines = []
    for finding in findings:
        level = f"{finding.level:<4}"
        painted = f"{COLOURS[finding.level]}{level}{PLAIN}" if coloured else level
        lines.append(f"{painted}  {finding.check:<12}  {finding.text}")
    failed, warned = (sum(finding.level == level for finding in findings) for level in (FAIL, WARN))
    verdict = "the pipeline cannot run" if failed else "the pipeline can run"
    return "\n".join([*lines, f"{verdict}: {len(findings)} checks, {failed} failed, {warned} with a warning"])


def _settings() -> Result:
    file = Path(os.environ.get("LUIGI_CONFIG_PATH", "luigi.cfg")).absolute()
    if not (file.is_file() and os.access(file, os.R_OK)):
        raise PipelineError(f"{file}: not there or not readable; go to where it is, or set LUIGI_CONFIG_PATH")
    sections: tuple[type[luigi.Config], ...] = (core, *config.SECTIONS)
    faults, unknown = [], []
    for section in sections:
        try:
            config.read_section(section)
        except PipelineError as error:
            faults.append(str(error))
        if section is not core:
            unknown += _unknown_keys(section)
    if faults:
        raise PipelineError("; ".join(faults))
    if unknown:
        return Result(
            WARN, f"{', '.join(unknown)}: no such setting in README.md, so that it does nothing; mend luigi.cfg"
        )
    return Result(OK, str(file))


def _unknown_keys(section: type[luigi.Config]) -> list[str]:
    parser, family = luigi.configuration.get_config(), section.get_task_family()
    written = parser.options(family) if parser.has_section(family) else []
    known = section.get_param_names(include_significant=True)
    return [f"[{family}] {key}" for key in written if key.replace("-", "_") not in known]


def _java() -> Result:
    configured = os.environ.get("JAVA_HOME")
    with tempfile.TemporaryDirectory() as name:  # where a wrapper around the packaged Java may be made
        home = java.java_home(Path(name))
        packaged = Path(name) in home.parents
        said = f"Java {java.version(home)}, {'packaged' if packaged else home}"
    if configured and home != Path(configured):
        return Result(
            WARN, f"{said}, as JAVA_HOME={configured} is not Java {java.OLDEST_JAVA} or newer; mend or unset it"
        )
    if packaged and not java.aot_cache(paths.java_runtime()).exists():
        return Result(WARN, f"{said}, without what makes Spark start faster; run socialmart java --prepare")
    return Result(OK, f"{said}{', with its AOT cache' if packaged else ''}")


def _spark() -> Result:
    master = config.read_section(config.spark).master
    submit.require_possible()
    command = [sys.executable, "-c", "import pyspark; print(pyspark.__version__)"]
    asked = subprocess.run(
        command, env=child_process.environment(), capture_output=True, text=True, timeout=SECONDS_TO_IMPORT, check=False
    )
    if asked.returncode != 0:
        why = asked.stderr.strip().splitlines()[-1:]
        raise PipelineError(f"pyspark cannot be imported ({' '.join(why)}); run make setup")
    if master.startswith("spark://"):
        _require_a_master(master)
    return Result(OK, f"pyspark {asked.stdout.strip()}, master {master}")


def _require_a_master(master: str) -> None:
    """Of several masters, one leads, and the others wait."""
    places = master.removeprefix("spark://").split(",")
    if not all(re.fullmatch(r".+:\d{1,5}", place) for place in places):
        raise PipelineError(f"luigi.cfg, section [spark], key master: expected spark://host:port, found {master}")
    split = [place.rpartition(":") for place in places]
    refused = [scheduler.find_connection_error(host, int(port), SECONDS_TO_ANSWER) for host, _, port in split]
    if all(refused):
        raise PipelineError(f"{master}: no answer ({refused[0]}); start the master, or set [spark] master in luigi.cfg")


def _dbt() -> Result:
    folder = paths.dbt_project()
    profile = _yaml(folder / "dbt_project.yml").get("profile")
    if profile not in _yaml(folder / "profiles.yml"):
        raise PipelineError(f"{folder / 'profiles.yml'}: no profile {profile}, which dbt_project.yml names; add it")
    try:
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("dbt-core", "dbt-postgres")]
    except importlib.metadata.PackageNotFoundError as error:
        raise PipelineError(f"{error.name}: not installed in this environment; run make setup") from error
    return Result(OK, f"{', '.join(versions)}, project {folder}")


def _yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PipelineError(f"{path}: cannot be read ({error}); mend it, or set [dbt] project in luigi.cfg") from error
    if not isinstance(found, dict):
        raise PipelineError(f"{path}: keys and values expected, {type(found).__name__} found; mend it")
    return found


def _clock() -> Result:
    newest, path = max(_dates(), default=(0.0, None))
    if newest > time.time() + postgresql.SECONDS_APART:
        return Result(WARN, f"{path} is dated in the future: was the clock set back? Set it right")
    return Result(OK, "nothing that runs left is dated in the future")


def _dates() -> Iterator[tuple[float, Path]]:
    """When the manifests of checkpoints and the folders of runs were written."""
    for found in (paths.checkpoints().glob(f"*/*/{paths.MANIFEST}"), paths.logs().glob("*")):
        for path in found:
            with suppress(FileNotFoundError):  # a run may be at work
                yield path.stat().st_mtime, path


def _luigid() -> Result:
    settings, use = config.read_section(core), config.read_section(config.dashboard).use
    if use == "never" and settings.local_scheduler:
        return Result(OK, "not used, as [dashboard] use is never")
    host, port = scheduler.get_luigid_address(settings)
    if why := scheduler.find_connection_error(host, port, SECONDS_TO_ANSWER):
        if use == "auto":
            return Result(OK, f"none at {host}:{port}, so that the local scheduler is used")
        raise PipelineError(
            f"no answer at {host}:{port} ({why}); start luigid there, or set [dashboard] use = auto in luigi.cfg"
        )
    return Result(OK, f"answers at {host}:{port}")


CHECKS = (
    Check("settings", _settings),
    Check("landing", folders.landing_folder, needs=("settings",)),
    Check("checkpoints", folders.checkpoints_folder, needs=("settings",)),
    Check("logs", folders.logs_folder, needs=("settings",)),
    Check("free space", folders.free_space, needs=("settings", "landing", "checkpoints")),
    Check("java", _java),
    Check("spark", _spark, needs=("settings",)),
    Check("postgresql", postgresql.postgresql, needs=("settings",)),
    Check("rights", postgresql.rights, needs=("postgresql",)),
    Check("connections", postgresql.connections, needs=("postgresql",)),
    Check("server clock", postgresql.server_clock, needs=("postgresql",)),
    Check("clock", _clock, needs=("settings",)),
    Check("dbt", _dbt, needs=("settings",)),
    Check("luigid", _luigid, needs=("settings",)),
)
