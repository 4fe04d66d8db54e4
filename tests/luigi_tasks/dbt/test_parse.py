"""dbt's parsed project is that of the files' content, whatever their times are."""

import os
import shutil

import pytest

from luigi_tasks.dbt import service
from luigi_tasks.paths import PROJECT

MART = "models/marts/tag_analysis_mart.yml"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the dbt project that was parsed before; nothing of a parse needs a server."""
    for name in ("PGHOST", "PGUSER", "PGDATABASE"):
        monkeypatch.setenv(name, "none")
    folder = tmp_path / "dbt_project"
    shutil.copytree(PROJECT / "dbt_project", folder, ignore=shutil.ignore_patterns("target", "logs"))
    service.Project(folder, tmp_path / "target")
    return folder


def replace_keeping_times(path, before, after):
    status = path.stat()
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def parse(folder):
    """The models by name, as a new service has them."""
    parsed = service.Project(folder, folder.parent / "target")._manifest
    return {node.name: node for node in parsed.nodes.values() if node.resource_type == "model"}


def test_parse__notices_a_yml_file_of_the_same_time_and_other_content(folder):
    replace_keeping_times(folder / MART, "name: total_posts_with_tag", "name: posts_with_tag")
    assert "posts_with_tag" in parse(folder)["tag_analysis_mart"].columns


def test_parse__notices_a_model_of_the_same_time_and_other_content(folder):
    replace_keeping_times(folder / MART.replace(".yml", ".sql"), "select", "select /* other */")
    assert "/* other */" in parse(folder)["tag_analysis_mart"].raw_code


@pytest.mark.parametrize("name", [service.PARSED, service.PARSED_FROM])
@pytest.mark.parametrize("content", [b"", b"\xff\x00 damaged"])
def test_parse__starts_over_where_what_it_kept_is_damaged(folder, name, content):
    (folder.parent / "target" / name).write_bytes(content)
    replace_keeping_times(folder / MART, "name: total_posts_with_tag", "name: posts_with_tag")
    assert "posts_with_tag" in parse(folder)["tag_analysis_mart"].columns


def test_parse__keeps_what_has_not_changed(folder, monkeypatch):
    kept = (folder.parent / "target" / service.PARSED).stat().st_ino
    parse(folder)
    assert (folder.parent / "target" / service.PARSED_FROM).exists()
    assert (folder.parent / "target" / service.PARSED).stat().st_ino == kept
