"""The Java archives that Python packages bring: most of what Spark is made of.

What an archive is, is said by the pom.properties within that fits its file name. Any others are of archives that were
packed into it. Without one its name and version are those of the file name, and its group is the manifest's vendor id,
as sbt and Maven write it; Ant writes there what its user likes.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

from luigi_tasks.cli.sbom.component import Component, describe_contents, describe_licenses, make_component, make_purl

POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
MANIFEST = "META-INF/MANIFEST.MF"
FILE_NAME = re.compile(r"(.+?)-(\d.*)|(.+?)(\d+(?:\.\d+)+)")
"""name-1.2, or name1.2."""
EMPTY = ("org.spark-project.spark", "unused")
"""Group and name of an archive without content, which Spark's build packs into its own."""


@dataclass(frozen=True)
class Artifact:
    """What Maven calls an archive by. `group`: empty if unknown; `classifier`: which of the archives of a version."""

    group: str
    name: str
    version: str
    classifier: str = ""

    @property
    def purl(self) -> str:
        """Its package URL."""
        kind = f"maven/{self.group}" if self.group else "generic"
        return make_purl(kind, self.name, self.version, classifier=self.classifier)

    @property
    def fields(self) -> Component:
        """The field of its group; empty if that is unknown."""
        return {"group": self.group} if self.group else {}


def list_jars(distributions: Iterable[metadata.Distribution]) -> Iterator[Component]:
    """Yield a component for each Java archive of some distributions that is there."""
    for each in distributions:
        for file in each.files or []:
            path = Path(str(file.locate()))
            if file.suffix == ".jar" and path.is_file():
                yield describe_jar(path, file.as_posix().replace("../", ""))


def describe_jar(path: Path, location: str) -> Component:
    """A component for a Java archive, with what was packed into it and the SHA-256 of the file."""
    with ZipFile(path) as archive:
        poms = [_read_pom(archive, name) for name in archive.namelist() if POM.fullmatch(name)]
        manifest = _read_manifest(archive)
    own = _find_own(path.stem, poms) or _name_by_file(path.stem, manifest)
    packed = [pom for pom in poms if (pom.group, pom.name) not in (EMPTY, (own.group, own.name))]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return (
        make_component(own.name, own.version, own.purl, location=location)
        | own.fields
        | {"hashes": [{"alg": "SHA-256", "content": digest}]}
        | describe_licenses(_list_licenses(manifest.get("Bundle-License", "")))
        | describe_contents(_describe_packed(pom) for pom in packed)
    )


def _read_pom(archive: ZipFile, name: str) -> Artifact:
    lines = archive.read(name).decode("latin-1").splitlines()
    found = dict(line.partition("=")[::2] for line in lines if "=" in line and not line.startswith("#"))
    return Artifact(found["groupId"].strip(), found["artifactId"].strip(), found["version"].strip())


def _read_manifest(archive: ZipFile) -> dict[str, str]:
    """The main attributes of a manifest, whose lines go on in the next one after 72 bytes."""
    if MANIFEST not in archive.namelist():
        return {}
    lines = "\n".join(archive.read(MANIFEST).decode("utf-8", "replace").splitlines())
    main = lines.replace("\n ", "").partition("\n\n")[0]
    return {key: value.strip() for key, _, value in (line.partition(": ") for line in main.split("\n"))}


def _find_own(stem: str, poms: Iterable[Artifact]) -> Artifact | None:
    """The artifact that a file is called after, with its classifier; None if it is called after none of these."""
    for pom in poms:
        called = f"{pom.name}-{pom.version}"
        if stem == called or stem.startswith(f"{called}-"):
            return replace(pom, classifier=stem.removeprefix(called).removeprefix("-"))
    return None


def _name_by_file(stem: str, manifest: dict[str, str]) -> Artifact:
    """The artifact by its file name. A manifest of another version is that of an archive which was packed into it."""
    found, told = FILE_NAME.fullmatch(stem), manifest.get("Implementation-Version", "")
    name, version = filter(None, found.groups()) if found else (stem, told)
    is_told = version == told and "Ant-Version" not in manifest
    return Artifact(manifest.get("Implementation-Vendor-Id", "") if is_told else "", name, version)


def _list_licenses(written: str) -> Iterator[str]:
    """Yield the licenses of a manifest: names or addresses between commas, before their semicolons."""
    for each in written.split(", "):
        name = each.partition(";")[0].strip().strip('"')
        if name:
            yield name


def _describe_packed(pom: Artifact) -> Component:
    return {"type": "library", "group": pom.group, "name": pom.name, "version": pom.version, "purl": pom.purl}
