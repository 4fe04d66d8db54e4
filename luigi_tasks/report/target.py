"""The report as a Luigi target: its file, with a stamp of what it was built from."""

import re
from pathlib import Path

import luigi

from luigi_tasks.targets.built_from import BuiltFrom, describe_changes

STAMP = re.compile(rb'<meta name="built-from" content="([^"]*)">')
BYTES_TO_STAMP = 1_000
"""The stamp is within this many bytes of the start: the file, megabytes of charts, is not read as a whole."""


class ReportFile(luigi.Target):
    """The HTML file; a meta element in its head holds the fingerprints of what it was built from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        return self.path.is_file()

    def find_stale_reason(self, built_from: BuiltFrom) -> str | None:
        """Return why the file is missing or outdated, or None if it is up to date."""
        try:
            with self.path.open("rb") as file:
                stamp = STAMP.search(file.read(BYTES_TO_STAMP))
        except OSError:
            return "its file is missing or unreadable"
        recorded = stamp.group(1).decode() if stamp else ""
        return describe_changes(dict(pair.split("=", 1) for pair in recorded.split(",") if "=" in pair), built_from)
