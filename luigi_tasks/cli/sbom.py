"""The bill of materials as a program: `python -m luigi_tasks.cli.sbom` prints it as CycloneDX 1.6, in JSON.

It lists the distributions that this Python finds and, on Debian and its like, the system's packages. Equal
environments give equal bills, so it has neither a time nor a serial number.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any
from urllib.parse import quote

OWN_NAME = "socialmart"
FORMAT = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
DPKG_FIELDS = r"${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n"
LICENSE_CLASSIFIER = "License :: OSI Approved :: "
LONGEST_LICENSE_NAME = 80
"""Characters: a longer License field is the text of one."""

Component = dict[str, Any]


def make_bill() -> dict[str, Any]:
    """The bill: our own version, and what is installed besides as components in the order of their purls."""
    own = {"type": "application", "name": OWN_NAME, "version": metadata.version(OWN_NAME)}
    components = [*list_distributions(), *list_system_packages()]
    return FORMAT | {"metadata": {"component": own}, "components": sorted(components, key=lambda each: each["purl"])}


def list_distributions() -> list[Component]:
    """What this Python finds, but for our own package. Where a name is there twice, it is the one that is imported."""
    found: dict[str, Component] = {}
    for each in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()
        if name != OWN_NAME and name not in found:
            purl = f"pkg:pypi/{name}@{quote(each.version)}"
            found[name] = _make_component(name, each.version, purl) | _describe_licenses(each)
    return list(found.values())


def list_system_packages() -> Iterator[Component]:
    """Yield the packages that dpkg has installed; none where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return
    system = platform.freedesktop_os_release().get("ID", "debian")
    asked = ["dpkg-query", "--show", f"--showformat={DPKG_FIELDS}"]
    for line in subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines():
        status, name, version, architecture = line.split("\t")
        if status == "installed":
            purl = f"pkg:deb/{system}/{quote(name)}@{quote(version, safe='')}?arch={architecture}"
            yield _make_component(name, version, purl)


def _make_component(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _describe_licenses(distribution: metadata.Distribution) -> Component:
    """The licenses that a distribution names: an SPDX expression, or names in its own words; empty if it names none."""
    fields = distribution.metadata
    if "License-Expression" in fields:
        return {"licenses": [{"expression": fields["License-Expression"]}]}
    classifiers = fields.get_all("Classifier") or []
    names = [each.removeprefix(LICENSE_CLASSIFIER) for each in classifiers if each.startswith(LICENSE_CLASSIFIER)]
    written = fields["License"].strip() if "License" in fields else ""
    if not names and written and "\n" not in written and len(written) <= LONGEST_LICENSE_NAME:
        names = [written]
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


if __name__ == "__main__":
    json.dump(make_bill(), sys.stdout, indent=1)
    sys.stdout.write("\n")
