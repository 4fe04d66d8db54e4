"""The bill of materials of this environment."""

import json
import re
import subprocess
import sys
from importlib import metadata

import pytest

from luigi_tasks import paths
from luigi_tasks.cli import sbom

PURL = re.compile(r"pkg:(pypi|deb/[a-z]+)/([a-z0-9.-]|%2B)+@[A-Za-z0-9.%~_-]+(\?arch=[a-z0-9]+)?")


def test_bill__has_the_required_fields_of_cyclonedx_and_each_component_once():
    program = [sys.executable, "-m", "luigi_tasks.cli.sbom"]
    bill = json.loads(subprocess.run(program, capture_output=True, text=True, check=True, cwd=paths.PROJECT).stdout)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert bill["metadata"]["component"]["name"] == "socialmart"
    components = bill["components"]
    assert all(each["type"] == "library" and each["name"] and each["version"] for each in components)
    assert all(PURL.fullmatch(each["purl"]) for each in components)
    assert len({each["bom-ref"] for each in components}) == len(components)
    installed = {(each.metadata["Name"].lower(), each.version) for each in metadata.distributions()}
    assert {("luigi", metadata.version("luigi")), ("pyspark", metadata.version("pyspark"))} <= installed
    listed = {(each["name"], each["version"]) for each in components if each["purl"].startswith("pkg:pypi/")}
    assert {(re.sub("[-_.]+", "-", name), version) for name, version in installed} == listed | {
        ("socialmart", metadata.version("socialmart"))
    }


def test_system_packages__are_those_that_dpkg_has_installed(monkeypatch):
    answers = (
        "installed\tlibc6\t2.41-12+deb13u1\tamd64\nconfig-files\told\t1\tamd64\ninstalled\tgit\t1:2.47~rc1\tamd64\n"
    )
    monkeypatch.setattr(sbom.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sbom.platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    monkeypatch.setattr(sbom.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, answers))
    assert [each["purl"] for each in sbom.list_system_packages()] == [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64",
        "pkg:deb/debian/git@1%3A2.47~rc1?arch=amd64",
    ]
    monkeypatch.setattr(sbom.shutil, "which", lambda name: None)
    assert list(sbom.list_system_packages()) == []


def test_distribution__that_is_there_twice_is_the_one_that_is_imported(tmp_path, monkeypatch):
    for version in ("2", "1"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "METADATA").write_text(f"Metadata-Version: 2.4\nName: A.b\nVersion: {version}\n")
    found = [metadata.PathDistribution(tmp_path / version) for version in ("2", "1")]
    monkeypatch.setattr(sbom.metadata, "distributions", lambda: found)
    assert [each["purl"] for each in sbom.list_distributions()] == ["pkg:pypi/a-b@2"]


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
    (tmp_path / "METADATA").write_text(f"Metadata-Version: 2.4\n{fields}\n")
    assert sbom._describe_licenses(metadata.PathDistribution(tmp_path)).get("licenses") == licenses
