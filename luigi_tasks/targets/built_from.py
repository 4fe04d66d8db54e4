"""What a target was built from: fingerprints by name, and how two sets of them differ."""

from collections.abc import Mapping

BuiltFrom = Mapping[str, str]
"""Fingerprints of what a target is built from, by name: `inputs`, `code`, `settings`, and others of single stages."""


def list_changes(before: BuiltFrom, now: BuiltFrom) -> list[str]:
    """The names whose fingerprint changed, appeared or, like that of a dbt model that was dropped, disappeared."""
    return [name for name in {**now, **before} if before.get(name) != now.get(name)]


def describe_changes(before: BuiltFrom, now: BuiltFrom) -> str | None:
    """Why a target built from `before` is stale; None when nothing changed."""
    names = list_changes(before, now)
    return f"its {' and '.join(names)} changed" if names else None
