"""The first pass over the records of a file: what one says about another. Only keys and looked-up values stay."""

from dataclasses import dataclass
from typing import Any

from spark_jobs.sources.conditions import Condition
from spark_jobs.sources.environment import Place
from spark_jobs.sources.paths import Getter

DELETED, EDITED = "deleted", "edited"
"""Why a record is skipped: another record of the file deletes it; its newest version has already been read."""


@dataclass(frozen=True)
class Thread:
    """How records refer to one another: a record's key, the key it replies to, the keys of all its versions."""

    get_key: Getter
    get_parent: Getter
    get_versions: Getter | None


@dataclass(frozen=True)
class Lookup:
    """Values by key."""

    conditions: tuple[Condition, ...]
    get_key: Getter
    get_value: Getter

    def find(self, node: Any, place: Place) -> tuple[str, Any] | None:
        """The key and the value that a record gives; None where it gives none."""
        if not all(condition.holds(node, place) for condition in self.conditions):
            return None
        key = self.get_key(node, place)
        return (key, self.get_value(node, place)) if isinstance(key, str) else None


@dataclass(frozen=True)
class Indexing:
    """What a table wants to be collected."""

    thread: Thread | None
    deletions: Lookup | None
    lookups: tuple[tuple[str, Lookup], ...]

    def collect(self, node: Any, place: Place) -> None:
        """Add what a record says to its context."""
        context = place.context
        if self.thread is not None:
            key, parent = self.thread.get_key(node, place), self.thread.get_parent(node, place)
            if isinstance(key, str) and isinstance(parent, str) and parent and key != parent:
                context.parents[key] = parent
            versions = self._list_versions(node, place)
            context.versions |= {each: versions[-1] for each in versions if isinstance(each, str)}
        if self.deletions is not None and (deleted := self.deletions.find(node, place)):
            context.deleted.add(deleted[0])
        for name, lookup in self.lookups:
            if found := lookup.find(node, place):
                context.lookups.setdefault(name, {})[found[0]] = found[1]

    def find_reason(self, node: Any, place: Place) -> str:
        """Why a record is none of the file's: it was deleted, or edited and the newest version came before; else ""."""
        context = place.context
        if context.deleted and self.deletions is not None and self.deletions.get_key(node, place) in context.deleted:
            return DELETED
        if context.versions and self.thread is not None:
            versions = self._list_versions(node, place)
            if versions and self.thread.get_key(node, place) == versions[-1]:
                context.newest.add(versions[-1])
            elif versions and versions[-1] in context.newest:
                return EDITED
        return ""

    def _list_versions(self, node: Any, place: Place) -> list[Any]:
        """The keys of all versions of a record, the newest last; none where there is only one."""
        if self.thread is None or self.thread.get_versions is None:
            return []
        versions = self.thread.get_versions(node, place)
        return versions if isinstance(versions, list) and len(versions) > 1 else []
