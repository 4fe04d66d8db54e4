"""The report's file, and what it says of what it was built from."""

import re
from pathlib import Path

import luigi

from luigi_tasks.targets.built_from import BuiltFrom, describe_changes

STAMP = re.compile(rb'<meta name="built-from" content="([^"]*)">')
BYTES_TO_STAMP = 1_000
"""The stamp stands so near to the start that the file is never read as a whole."""


class ReportFile(luigi.Target):
    """The HTML file. It says in its head what it was built from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        return self.path.is_file()

    def find_stale_reason(self, built_from: BuiltFrom) -> str | None:
        """Why the file is not what it should be, None when it is."""
        try:
            with self.path.open("rb") as file:
                stamp = STAMP.search(file.read(BYTES_TO_STAMP))
        except OSError:
            return "its file is missing or unreadable"
        recorded = stamp.group(1).decode() if stamp else ""
        return describe_changes(dict(pair.split("=", 1) for pair in recorded.split(",") if "=" in pair), built_from)
