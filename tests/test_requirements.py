"""The files in requirements/: what `make setup`, the tests and the images install, each file by its hash."""

import configparser
import re
from importlib import metadata
from itertools import chain

import pytest
from packaging.requirements import Requirement

from luigi_tasks import paths

LOCKS = sorted((paths.PROJECT / "requirements").glob("*.txt"))
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+) ; [^\\\n]+ (\\\n    --hash=sha256:[0-9a-f]{64} ?)+\n", re.MULTILINE
)
"""A package of one version, where it is for, and the hashes of its files."""
SETUP = configparser.ConfigParser()
SETUP.read(paths.PROJECT / "setup.cfg")


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(name: str) -> dict[str, str]:
    """The versions in requirements/NAME.txt."""
    text = (paths.PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return {entry["name"]: entry["version"] for entry in ENTRY.finditer(text)}


def list_requirements(lines: str) -> list[Requirement]:
    return [Requirement(line) for line in lines.split("\n") if line]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock__has_only_exact_versions_with_hashes(lock):
    """And names no index, and nothing that pip would get from elsewhere."""
    assert ENTRY.sub("", lock.read_text(encoding="utf-8")) == ""


def test_locks__have_the_versions_of_constraints_and_of_each_package_one():
    pins = [line.split("==") for line in (paths.PROJECT / "constraints.txt").read_text(encoding="utf-8").split()]
    expected = {normalize(name): version for name, version in pins}
    found = set(chain.from_iterable(read_lock(lock.stem).items() for lock in LOCKS))
    assert found == set(expected.items()), "run make lock, and have every package that it finds in constraints.txt"


@pytest.mark.parametrize("recipe", ["Makefile", "containers/pipeline/Dockerfile"])
def test_first_installation__is_of_what_installs_the_rest(recipe):
    """So Python's own pip, whose version nobody chose, installs nothing but the pip and setuptools of the lock."""
    assert set(read_lock("build")) == {"pip", "setuptools"}
    text = (paths.PROJECT / recipe).read_text(encoding="utf-8")
    assert re.findall(r"\brequirements/(\w+)\.txt(?: \\)?$", text, re.MULTILINE)[0] == "build"


@pytest.mark.parametrize("extra", [None, *SETUP["options.extras_require"]])
def test_lock__covers_what_setup_cfg_asks_for(extra):
    lines = SETUP["options.extras_require"][extra] if extra else SETUP["options"]["install_requires"]
    locked = read_lock("run") | (read_lock(extra) if extra else {})
    wanted = list_requirements(lines)
    assert [str(each) for each in wanted if not each.specifier.contains(locked.get(normalize(each.name), "0"))] == []


def test_locks__have_all_that_the_installed_packages_need():
    """In the versions that are installed: whatever is left out would not be, as pip gets nothing besides."""
    locked = read_lock("run") | read_lock("test")
    waiting = list_requirements(SETUP["options"]["install_requires"] + SETUP["options.extras_require"]["test"])
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = normalize(wanted.name)
        for extra in wanted.extras | {""}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            needed = map(Requirement, metadata.requires(name) or [])
            waiting += [each for each in needed if not each.marker or each.marker.evaluate({"extra": extra})]
    installed = {name: metadata.version(name) for name, _ in seen}
    assert len(installed) > 100
    assert installed == {name: locked.get(name) for name in installed}
