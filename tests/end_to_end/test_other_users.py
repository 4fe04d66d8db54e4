"""What another user of this machine finds of a project: nothing to read, and nobody to talk to."""

import os
import subprocess
from pathlib import Path

import pytest
from project import MakeProject, Project


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    """One that has run under the widest umask."""
    made = make_project()
    made.land(
        "2026-01-01.json", [*({"user_id": f"u{n}", "email": f"u{n}@example.net"} for n in range(9)), {"name": "x"}]
    )
    before = os.umask(0)
    try:
        ran = made.run()
        exported = made.socialmart("rejected", "--export", "rejected.jsonl")
        listed = made.socialmart("psql", "-Atc", "select count(*) from marts_personal.user_engagement_mart")
    finally:
        os.umask(before)
    assert (ran.code, exported.code, listed.output) == (0, 0, "9\n"), ran.output + exported.output + listed.output
    return made


def list_open(folder: Path) -> list[str]:
    """What others have any right to below a folder, but for what a test has made: the settings and the exports."""
    found = [path for path in folder.rglob("*") if not path.is_symlink() and path.lstat().st_mode & 0o007]
    return sorted(
        str(path.relative_to(folder)) for path in found if path.name != "luigi.cfg" and "landing" not in str(path)
    )


def test_run__leaves_nothing_that_others_may_read(project):
    assert list_open(project.folder) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("user", ["nobody", "daemon"])
def test_another_user__finds_nothing_to_read(project, user):
    """User nobody runs the embedded server of root: its own files are that account's, and are not looked at."""
    command = [
        "runuser",
        "-u",
        user,
        "--",
        "find",
        ".",
        "-path",
        "./postgres",
        "-prune",
        "-o",
        "-type",
        "f",
        "-readable",
    ]
    found = subprocess.run([*command, "-print"], cwd=project.folder, capture_output=True, text=True, check=False).stdout
    assert set(found.split()) <= {"./luigi.cfg", "./landing/2026-01-01.json"}
