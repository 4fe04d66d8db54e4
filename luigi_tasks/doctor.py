"""Checks whether the pipeline can run here, and says what to do where something is wrong. Changes nothing."""

import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import luigi
import yaml
from luigi.interface import core

from luigi_tasks import (
    child,
    config,
    embedded_place,
    java,
    landing,
    layout,
    paths,
    spark_session,
    warehouse,
)
from luigi_tasks.errors import PipelineError
from luigi_tasks.summary import GREEN, PLAIN, RED

OK, WARN, FAIL = "ok", "warn", "fail"
YELLOW = "\033[33m"
COLOURS = {OK: GREEN, WARN: YELLOW, FAIL: RED}

SCHEMAS = ["raw_data", "etl", "staging", "core", "intermediate", "marts"]
BUILT = ("extract", "clean", "audit")
SECONDS_TO_ANSWER = 5
SECONDS_TO_IMPORT = 60
SECONDS_APART = 60
MADE_BY_FIRST_RUN = "the embedded server is made by the first run"


@dataclass(frozen=True)
class Result:
    """What a check came to: its level, and a sentence. A check that fails raises PipelineError instead."""

    level: str
    text: str


@dataclass(frozen=True)
class Check:
    """One line of the doctor's. It is not made where one that it `needs` failed."""

    name: str
    look: Callable[[], Result]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A check's name, its level (ok, warn or fail) and what there is to say."""

    check: str
    level: str
    text: str


def examine() -> list[Finding]:
    """A finding of every check, in their order. Whatever a check raises is a finding, too."""
    findings = []
    unknown: set[str] = set()
    for check in CHECKS:
        missing = [name for name in check.needs if name in unknown]
        result = Result(WARN, f"not checked, as {missing[0]} is to be mended first") if missing else _look(check)
        if missing or result.level == FAIL:
            unknown.add(check.name)
        findings.append(Finding(check.name, result.level, " ".join(result.text.split())))
    return findings


def _look(check: Check) -> Result:
    try:
        return check.look()
    except PipelineError as error:
        return Result(FAIL, str(error))
    except Exception as error:
        return Result(FAIL, f"cannot be checked ({type(error).__name__}: {error})")


def has_failed(findings: list[Finding]) -> bool:
    return any(finding.level == FAIL for finding in findings)


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
        return Result(WARN, f"{file}: not there or not readable, so that defaults hold; go to where luigi.cfg is")
    sections: tuple[type[luigi.Config], ...] = (core, *config.SECTIONS)
    faults, unknown = [], []
    for section in sections:
        try:
            config.read(section)
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


def _landing() -> Result:
    files = list(_landing_files())
    unreadable = [path for path in files if not os.access(path, os.R_OK)]
    if unreadable:
        return Result(
            WARN,
            f"{paths.landing()}: {len(unreadable):,} of {len(files):,} files cannot be read, such as {unreadable[0]}; "
            "their batches are refused until they can",
        )
    return Result(OK, f"{paths.landing()}, {len(landing.batches()):,} batches, {len(files):,} files")


def _landing_files() -> Iterator[Path]:
    for batch in landing.batches():
        yield from landing.files(batch).values()


def _checkpoints() -> Result:
    said = _try_to_write(paths.checkpoints(), "[checkpoints] folder")
    for place in (paths.staging(), *(paths.checkpoints() / name for name in BUILT)):
        if place.exists() and place.stat().st_dev != paths.checkpoints().stat().st_dev:
            raise PipelineError(
                f"checkpoints folder {paths.checkpoints()}: {place} lies on another file system, and checkpoints "
                "appear by a rename, which needs one; make it a plain folder"
            )
    return Result(OK, said)


def _logs() -> Result:
    return Result(OK, _try_to_write(paths.logs(), "[logs] folder"))


def _try_to_write(folder: Path, setting: str) -> str:
    """Make a file in a folder, or where that will be made, and remove it. Returns what to say of the folder."""
    place = _nearest(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-"):
            pass
    except OSError as error:
        raise PipelineError(
            f"{folder}: no file can be made in {place} ({error.strerror}); make it writable, or set {setting} elsewhere"
        ) from error
    return f"{folder}, writable" if folder == place else f"{folder}, is made by the first run"


def _nearest(folder: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _free_space() -> Result:
    """Whether there is as much free as the exports take, for the checkpoints and for the embedded warehouse."""
    needed = sum(size for batch in landing.batches() for size, _ in landing.stand(batch).values())
    places = [paths.checkpoints()] if warehouse.is_named() else [paths.checkpoints(), _embedded_home()]
    free = {place: shutil.disk_usage(_nearest(place)).free for place in places}
    said = ", ".join(f"{_size(bytes_)} free for {place}" for place, bytes_ in free.items())
    if min(free.values()) < needed:
        return Result(WARN, f"{said}, less than the {_size(needed)} in the landing folder; make room")
    return Result(OK, f"{said}; {_size(needed)} in the landing folder")


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e9:,.1f} GB"


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
    master = config.read(config.spark).master
    spark_session.submit_arguments(master)
    command = [sys.executable, "-c", "import pyspark; print(pyspark.__version__)"]
    asked = subprocess.run(
        command, env=child.environment(), capture_output=True, text=True, timeout=SECONDS_TO_IMPORT, check=False
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
    refused = [_why_silent(host, int(port)) for host, _, port in (place.rpartition(":") for place in places)]
    if all(refused):
        raise PipelineError(f"{master}: no answer ({refused[0]}); start the master, or set [spark] master in luigi.cfg")


def _why_silent(host: str, port: int) -> str | None:
    """Why nothing takes connections at a port; None where something does."""
    try:
        socket.create_connection((host, port), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return None


def _postgresql() -> Result:
    if _is_to_be_made():
        embedded_place.wheel_programs()
        _try_to_write(paths.embedded_postgres(), "[warehouse] embedded_folder")
        return Result(OK, f"{MADE_BY_FIRST_RUN} in {paths.embedded_postgres()}")
    server = warehouse.reader().info
    where = f"{server.host}:{server.port}" if warehouse.is_named() else f"embedded in {_embedded_home()}"
    version = server.parameter_status("server_version")
    return Result(OK, f"PostgreSQL {version}, {where}, database {server.dbname}, user {server.user}")


def _is_to_be_made() -> bool:
    return not warehouse.is_named() and embedded_place.existing(paths.embedded_postgres().resolve()) is None


def _embedded_home() -> Path:
    """Where the embedded server's data are, or will be."""
    return embedded_place.existing(paths.embedded_postgres().resolve()) or paths.embedded_postgres()


def _row(query: str, *parameters: object) -> tuple[Any, ...]:
    with warehouse.reader().cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()


def _rights() -> Result:
    if _is_to_be_made():
        return Result(OK, MADE_BY_FIRST_RUN)
    standby, read_only = _row("select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'")
    if standby:
        raise PipelineError("the server is a standby, which nobody may write to; name its primary")
    if read_only:
        raise PipelineError("default_transaction_read_only is on for this server, database or user; turn it off")
    user, database, may_create, absent, closed, not_owned = _row(RIGHTS, SCHEMAS, SCHEMAS)
    with warehouse.reader().cursor() as cursor:
        makes_schemas = absent or not layout.is_current(cursor)
    faults = []
    if makes_schemas and not may_create:
        faults.append(f"may not make schemas: grant create on database {database} to {user}")
    if closed:
        faults.append(f"may not make tables in {', '.join(closed)}: grant usage, create on schema … to {user}")
    if not_owned:
        faults.append(f"does not own {', '.join(not_owned)}: alter … owner to {user}")
    if faults:
        raise PipelineError(f"user {user} {'; '.join(faults)}")
    return Result(OK, f"user {user} may write to database {database}")


RIGHTS = """
select
    current_user::text,
    current_database()::text,
    has_database_privilege(current_database(), 'create'),
    array(select name from unnest(%s) as name where to_regnamespace(name) is null),
    array(
        select nspname::text
        from pg_namespace
        where nspname = any(%s) and not (has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage'))
        order by nspname
    ),
    array(
        select format('schema %%I', nspname)
        from pg_namespace
        where nspname = 'raw_data' and not pg_has_role(nspowner, 'usage')
        union all
        select format('table %%I.%%I', nspname, relname)
        from pg_class
        inner join pg_namespace on relnamespace = pg_namespace.oid
        where nspname in ('raw_data', 'etl') and relkind = 'r' and not pg_has_role(relowner, 'usage')
        order by 1
    )
"""


def _connections() -> Result:
    if _is_to_be_made():
        return Result(OK, MADE_BY_FIRST_RUN)
    most, used = _row(
        "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, "
        "(select sum(numbackends) from pg_stat_database)::int - 1"  # this one will be given back
    )
    workers, threads = config.read(core).workers, config.read(config.dbt).threads
    needed = 2 * (workers + 1) + threads + 1  # each process reads and writes; dbt has one besides its threads
    said = f"{most - used} of {most} free, a run takes up to {needed}"
    if most - used < needed:
        return Result(WARN, f"{said}; raise max_connections, or lower [core] workers or [dbt] threads")
    return Result(OK, said)


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
    if newest > time.time() + SECONDS_APART:
        return Result(WARN, f"{path} is dated in the future: was the clock set back? Set it right")
    return Result(OK, "nothing that runs left is dated in the future")


def _dates() -> Iterator[tuple[float, Path]]:
    """When the manifests of checkpoints and the folders of runs were written."""
    for found in (paths.checkpoints().glob(f"*/*/{paths.MANIFEST}"), paths.logs().glob("*")):
        for path in found:
            with suppress(FileNotFoundError):  # a run may be at work
                yield path.stat().st_mtime, path


def _server_clock() -> Result:
    if _is_to_be_made():
        return Result(OK, MADE_BY_FIRST_RUN)
    (now,) = _row("select extract(epoch from clock_timestamp())::float8")
    apart = abs(now - time.time())
    if apart > SECONDS_APART:
        return Result(WARN, f"the warehouse's and this machine's are {apart:,.0f} seconds apart; set them right")
    return Result(OK, "the warehouse's and this machine's agree")


def _luigid() -> Result:
    settings = config.read(core)
    if settings.local_scheduler:
        return Result(OK, "not used, as [core] local_scheduler is true")
    url = urlsplit(settings.scheduler_url or f"http://{settings.scheduler_host}:{settings.scheduler_port}")
    host, port = url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 80)
    if why := _why_silent(host, port):
        raise PipelineError(
            f"no answer at {host}:{port} ({why}); start luigid there, or set [core] local_scheduler = true in luigi.cfg"
        )
    return Result(OK, f"answers at {host}:{port}")


CHECKS = (
    Check("settings", _settings),
    Check("landing", _landing, needs=("settings",)),
    Check("checkpoints", _checkpoints, needs=("settings",)),
    Check("logs", _logs, needs=("settings",)),
    Check("free space", _free_space, needs=("settings", "landing", "checkpoints")),
    Check("java", _java),
    Check("spark", _spark, needs=("settings",)),
    Check("postgresql", _postgresql, needs=("settings",)),
    Check("rights", _rights, needs=("postgresql",)),
    Check("connections", _connections, needs=("postgresql",)),
    Check("server clock", _server_clock, needs=("postgresql",)),
    Check("clock", _clock, needs=("settings",)),
    Check("dbt", _dbt, needs=("settings",)),
    Check("luigid", _luigid, needs=("settings",)),
)
