"""How much memory a run may use, by the files of the kernel."""

import os

import pytest

from luigi_tasks import memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MB = 1 << 20


@pytest.fixture
def limit(tmp_path, monkeypatch):
    """Says in which groups this process is, and writes a limit of one of them."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "OWN_CGROUPS", tmp_path / "own")

    def write(own: str, file: str, content: str) -> int:
        (tmp_path / "own").write_text(own)
        path = tmp_path / "cgroup" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return memory.measure_memory()

    return write


@pytest.mark.parametrize(
    ("own", "file"),
    [
        ("0::/\n", "memory.max"),
        ("0::/system.slice/a b.service\n", "system.slice/a b.service/memory.max"),
        ("0::/system.slice/a.service\n", "system.slice/memory.max"),
        ("0::/docker/not-seen-from-inside\n", "memory.max"),
        ("4:memory:/docker/1\n0::/\n", "memory/docker/1/memory.limit_in_bytes"),
        ("4:cpu,memory:/docker/1\n", "memory/memory.limit_in_bytes"),
        ("0::/a\n", "unified/a/memory.max"),
    ],
)
def test_measure_memory__is_the_lowest_limit_of_the_own_groups(limit, own, file):
    assert limit(own, file, f"{600 * MB}\n") == 600 * MB


@pytest.mark.parametrize(
    ("own", "file", "content"),
    [
        ("0::/\n", "memory.max", "max\n"),
        ("4:memory:/\n", "memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("0::/a\n", "b/memory.max", f"{600 * MB}\n"),
        ("5:cpu:/a\n", "memory/a/memory.limit_in_bytes", f"{600 * MB}\n"),
        ("", "other", ""),
    ],
)
def test_measure_memory__is_that_of_the_machine_where_no_group_is_limited(limit, own, file, content):
    assert limit(own, file, content) == MACHINE
