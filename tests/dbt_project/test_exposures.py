"""dbt knows everything that the report reads, and a change of that list rebuilds nothing."""

import re
import shutil

import pytest
import yaml

from luigi_tasks import paths
from luigi_tasks.dbt import project
from luigi_tasks.report import queries

PROJECT = paths.PROJECT / "dbt_project"


def test_exposure__depends_on_all_that_the_report_reads():
    text = " ".join(value for value in vars(queries).values() if isinstance(value, str))
    read = re.findall(r"\b(marts_personal|core|raw_data|etl)\.(\w+)", text)
    [exposure] = yaml.safe_load((PROJECT / "models" / project.EXPOSURES).read_text())["exposures"]
    expected = {
        f"ref('{name}')" if schema in ("marts_personal", "core") else f"source('{schema}', '{name}')"
        for schema, name in read
    }
    assert set(exposure["depends_on"]) == expected


@pytest.mark.parametrize(
    ("file", "changes"), [(f"models/{project.EXPOSURES}", False), ("models/staging/_sources.yml", True)]
)
def test_exposure__that_changes_rebuilds_nothing(tmp_path, file, changes):
    copy = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, copy)

    def fingerprint_parts() -> tuple:
        return (
            project.fingerprint_shared_files(copy),
            project.fingerprint_models(copy),
            project.fingerprint_tests(copy),
        )

    before, whole = fingerprint_parts(), project.fingerprint_project(copy)
    with (copy / file).open("a") as changed:
        changed.write("# a change\n")
    assert (fingerprint_parts() != before) == changes
    assert project.fingerprint_project(copy) != whole
