"""The commands of README.md, operating.md and security.md run as they are written, one after the other, on the sample.

Indented commands and queries (sql) are run. Blocks in other frames cannot run everywhere: bash or systemd only checks
that they can be parsed; Python runs in the test of what it is about.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from project import REPOSITORY, MakeProject, Project

PAGES = tuple(REPOSITORY / name for name in ("README.md", "docs/operating.md", "docs/security.md"))
DEFAULTS = {
    "landing": {"folder": "data/landing"},
    "checkpoints": {"folder": "data/checkpoints"},
    "logs": {"folder": "data/logs"},
    "warehouse": {"embedded_folder": "data/postgres"},
}
INSTALLED = "/srv/socialmart"
"""The project's folder in the manual."""

INDENTED, QUERY, SHELL, CRON, UNIT, TEXT, PYTHON = "indented", "sql", "sh", "cron", "ini", "text", "python"
YAML = "yaml"
BLOCK = re.compile(r"^```(\w*)\n((?:(?!```).*\n)*)```$|^((?:    .+\n)+)", re.MULTILINE)
COMMAND = re.compile(r" *(make|socialmart|luigi|rm|cp|mv|echo|tail|ls|du) ")

AFTERWARDS = {
    "echo '[]'": ("select count(*) from raw_data.users where batch = '2026-11-20'", "0"),
    "--clean": ("select count(distinct batch) from raw_data.users", "3"),
}
"""Words of a command: a query to run after it, and the result that is expected."""


@dataclass(frozen=True)
class Block:
    """A block of a page: its frame, its text, and its place."""

    frame: str
    text: str
    place: str


def blocks(*frames: str) -> list[Block]:
    """The blocks of all pages with one of these frames, in order; indented blocks only if they are commands."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            frame = block[1] if not block[3] else CRON if "* * *" in block[3] else INDENTED
            if frame in frames and (frame != INDENTED or COMMAND.match(block[3])):
                line = text[: block.start()].count("\n") + 1
                found.append(Block(frame, dedent(block[3] or block[2]), f"{page.name}, line {line}"))
    return found


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    """A project as it is after `git clone` and `make setup`, with its own data and links to the repository."""
    made = make_project(DEFAULTS)
    for name in ("Makefile", "requirements", "setup.cfg"):
        (made.folder / name).symlink_to(REPOSITORY / name)
    for name in ("sample", "sample_sources"):
        shutil.copytree(REPOSITORY / "data" / name, made.folder / "data" / name)
    environment = made.folder / ".venv"
    environment.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".run":
            (environment / path.name).symlink_to(path)
    (environment / ".run").touch()
    return made


@pytest.mark.parametrize("block", blocks(INDENTED, QUERY), ids=lambda block: block.place)
def test_commands__run_as_they_stand(project: Project, block: Block):
    query = f"socialmart psql -v ON_ERROR_STOP=1 <<'END'\n{block.text}\nEND"
    ran = project.bash(query if block.frame == QUERY else block.text)
    assert ran.code == 0, f"{block.place}:\n{block.text}\n{ran.output}"
    for words, (question, expected) in AFTERWARDS.items():
        if words in block.text:
            assert project.socialmart("psql", "-Atc", question).output.strip() == expected, block.place


@pytest.mark.parametrize("block", blocks(SHELL, CRON), ids=lambda block: block.place)
def test_commands_that_cannot_run_everywhere__are_read_by_bash(block: Block):
    script = block.text
    if block.frame == CRON:
        script = re.sub(r"^(?:\S+ +){5}", "", script, flags=re.MULTILINE)
        assert "%" not in script.replace(r"\%", ""), f"{block.place}: cron takes % for the end of the line"
    read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert read.returncode == 0, f"{block.place}: {read.stderr}"


def test_units__are_read_by_systemd(project: Project, tmp_path: Path):
    units = [block for block in blocks(UNIT) if "[Service]" in block.text or "[Timer]" in block.text]
    for unit in units:
        kind = "timer" if "[Timer]" in unit.text else "service"
        text = unit.text.replace(INSTALLED, str(project.folder))
        (tmp_path / f"socialmart.{kind}").write_text(text.replace("User=socialmart", "User=root"))
    assert len(units) == 2
    if not (verify := shutil.which("systemd-analyze")):
        pytest.skip("no systemd here")
    read = subprocess.run([verify, "verify", *tmp_path.iterdir()], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_frames__are_of_a_known_kind():
    framed = {frame for page in PAGES for frame in re.findall(r"^```(\w+)$", page.read_text(), re.MULTILINE)}
    assert framed <= {QUERY, SHELL, CRON, UNIT, TEXT, PYTHON, YAML}
