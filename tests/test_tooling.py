"""The files that other tools read: the GitHub workflow, the pre-commit hooks, the files that git ignores."""

import re
import subprocess

import pytest
import yaml
from project import PROGRAMS

from luigi_tasks import config, paths

WORKFLOWS = sorted((paths.PROJECT / ".github/workflows").glob("*.yml"))
HOOKS = yaml.safe_load((paths.PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflow__matches_the_schema_of_github(workflow):
    command = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_workflow__runs_the_tests():
    [workflow] = WORKFLOWS
    steps = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert (paths.PROJECT / ".ci/run").read_text(encoding="utf-8").endswith("\nmake test\n")


def test_hooks__need_no_network_and_run_what_make_lint_runs():
    [local] = HOOKS
    assert local["repo"] == "local"
    recipe = (paths.PROJECT / "Makefile").read_text(encoding="utf-8").split("\nlint:")[1].split("\n\n")[0]
    linters = re.findall(r"^\t\$\(BIN\)/(\w+(?: (?:check|format|lint))?)", recipe, re.MULTILINE)
    hooks = [re.sub(r"^\.venv/bin/(\w+(?: (?:check|format|lint))?).*", r"\1", hook["entry"]) for hook in local["hooks"]]
    assert hooks == linters


def test_git__ignores_passwords_and_data():
    ignored = (paths.PROJECT / ".gitignore").read_text(encoding="utf-8").split()
    assert {".env", ".venv/", "/data/*"} <= set(ignored)


def test_make_clean__deletes_every_folder_that_runs_write_to():
    recipe = (paths.PROJECT / "Makefile").read_text(encoding="utf-8").split("\nclean:")[1]
    deleted = set(re.findall(r"data/\w+", recipe))
    written = {
        parameter.task_value(section.get_task_family(), key)
        for section in config.SECTIONS
        for key, parameter in section.get_params()
        if key.endswith("folder") and section is not config.landing
    }
    assert deleted == written - {""}  # nothing is exported unless a folder is named
