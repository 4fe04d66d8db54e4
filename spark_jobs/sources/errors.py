"""Errors: a table that does not describe a source, and a file that no source reads."""

from collections.abc import Sequence


class TableError(Exception):
    """A source's table has faults: all of them, a line each."""

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        super().__init__("; ".join(f"source {name}: {fault}" for fault in faults))
        self.name = name
        self.faults = tuple(faults)


class UnknownSource(Exception):
    """A file that no source reads, or that two read: a sentence that says what was seen."""
