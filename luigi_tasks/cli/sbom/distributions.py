"""Python packages: what metadata says of them, and what their own bills (PEP 770) say that they contain."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib import metadata

from luigi_tasks.cli.sbom.component import (
    OWN_NAME,
    Component,
    describe_contents,
    describe_licenses,
    make_component,
    make_purl,
)

LICENSE_CLASSIFIER = "License :: OSI Approved :: "
LONGEST_LICENSE_NAME = 80
"""Characters: a longer License field is the text of one."""
COPIED_FIELDS = ("type", "group", "name", "version", "purl")
"""What is taken over of a component in a package's own bill."""


def find_distributions() -> dict[str, metadata.Distribution]:
    """What this Python finds by name, but for our own package. What is there twice is the one that is imported."""
    found: dict[str, metadata.Distribution] = {}
    for each in metadata.distributions():
        name = _normalize(each.metadata["Name"])
        if name != OWN_NAME:
            found.setdefault(name, each)
    return found


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def list_distributions(found: Mapping[str, metadata.Distribution]) -> Iterator[Component]:
    """Yield a component for each distribution."""
    for name, each in found.items():
        component = make_component(name, each.version, make_purl("pypi", name, each.version))
        yield component | find_licenses(each) | describe_contents(_list_contents(name, each))


def find_licenses(distribution: metadata.Distribution) -> Component:
    """The licenses that a distribution names: an SPDX expression, or names in its own words; empty if it names none."""
    fields = distribution.metadata
    if "License-Expression" in fields:
        return {"licenses": [{"expression": fields["License-Expression"]}]}
    classifiers = fields.get_all("Classifier") or []
    names = [each.removeprefix(LICENSE_CLASSIFIER) for each in classifiers if each.startswith(LICENSE_CLASSIFIER)]
    written = fields["License"].strip() if "License" in fields else ""
    if not names and written and "\n" not in written and len(written) <= LONGEST_LICENSE_NAME:
        names = [written]
    return describe_licenses(names)


def _list_contents(name: str, distribution: metadata.Distribution) -> Iterator[Component]:
    """Yield what a distribution's own bills say that it contains."""
    for file in distribution.files or []:
        if file.match("*.dist-info/sboms/*.json"):
            for each in json.loads(file.read_text(encoding="utf-8")).get("components", []):
                if _normalize(each["name"]) != name:
                    yield {field: each[field] for field in COPIED_FIELDS if field in each}
