"""The table of controls in docs/security.md."""

import re
from dataclasses import dataclass

from project import REPOSITORY

PAGE = REPOSITORY / "docs/security.md"
ROW = re.compile(
    r"\| (?P<control>.+?) \| (?P<asked>.+?) \| `(?P<where>.+?)` \| `(?P<test>.+?)` \| `(?P<evidence>.+?)` \|"
)


@dataclass(frozen=True)
class Control:
    """A row: what is done, who asks for it, the file that does it, the test that holds it, and what shows it."""

    control: str
    asked: str
    where: str
    test: str
    evidence: str


def list_controls() -> list[Control]:
    """The rows of the table."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Controls\n")[1].split("**Not there yet.**")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    rows = [ROW.fullmatch(line) for line in lines if not line.startswith("| --- ")]
    assert rows and all(rows), "docs/security.md: a row of the table of controls is not of its form"
    return [Control(**row.groupdict()) for row in rows if row]
