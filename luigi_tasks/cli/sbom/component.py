"""Components of the bill."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

OWN_NAME = "socialmart"
Component = dict[str, Any]


def make_purl(kind: str, name: str, version: str, **qualifiers: str) -> str:
    """The package URL of a version; `kind`: its type, and namespace if any. Empty qualifiers are left out."""
    found = f"pkg:{kind}/{quote(name)}" + (f"@{quote(version, safe=':')}" if version else "")
    asked = "&".join(f"{key}={quote(value, safe=':')}" for key, value in qualifiers.items() if value)
    return f"{found}?{asked}" if asked else found


def make_component(name: str, version: str, purl: str, kind: str = "library", location: str = "") -> Component:
    """A component, which its purl names; or its location, where several files may have one purl."""
    found = {"type": kind, "bom-ref": location or purl, "name": name, "version": version, "purl": purl}
    return found | ({"evidence": {"occurrences": [{"location": location}]}} if location else {})


def describe_licenses(names: Iterable[str]) -> Component:
    """The field of licenses in their own words; empty without any."""
    licenses = [{"license": {"name": name}} for name in names]
    return {"licenses": licenses} if licenses else {}


def describe_contents(parts: Iterable[Component]) -> Component:
    """The field of what a component contains, each once and in order; empty without any."""
    unique = {tuple(sorted(part.items())): part for part in parts}
    return {"components": [unique[key] for key in sorted(unique)]} if unique else {}
