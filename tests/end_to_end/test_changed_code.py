"""What a change of the code rebuilds: nothing for prose and moves, Clean for a rule, wherever its module lies."""

import json
import re
import shutil
from pathlib import Path

import pytest
from project import REPOSITORY, Project

RULES = "spark_jobs/cleaning/rules.py"
PACKAGES = ("luigi_tasks", "spark_jobs", "dbt_project")


class Checkout:
    """A copy of the code, which the project runs instead of the repository's."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.folder = project.folder / "code"
        self.restore()

    def restore(self) -> None:
        """Bring the code back as it is in the repository."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("target", "__pycache__")
            shutil.copytree(REPOSITORY / package, self.folder / package, ignore=ignored)

    def replace(self, file: str, before: str, after: str) -> None:
        """Change a text of a file, which has to be there."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after, 1), encoding="utf-8")

    def move(self, file: str, place: str) -> None:
        """Move a module, without a change of it, and have all others import it from there."""
        target = self.folder / place
        target.parent.mkdir(exist_ok=True)
        (target.parent / "__init__.py").touch()
        (self.folder / file).rename(target)
        names = (Path(file).with_suffix("").as_posix().split("/"), Path(place).with_suffix("").as_posix().split("/"))
        for path in self.folder.glob("spark_jobs/**/*.py"):
            text = path.read_text(encoding="utf-8")
            for before, after in [(".".join(names[0]), ".".join(names[1]))]:
                text = text.replace(f"from {before} import", f"from {after} import")
            package, module = ".".join(names[0][:-1]), names[0][-1]
            moved = rf"from {re.escape(package)} import {module}$"
            text = re.sub(moved, f"from {'.'.join(names[1][:-1])} import {module}", text, flags=re.MULTILINE)
            path.write_text(text, encoding="utf-8")

    def list_stale_stages(self) -> list[str]:
        """The stages that a run would build, by what `socialmart explain` says."""
        asked = self.project.socialmart("explain", "--json", PYTHONPATH=str(self.folder))
        assert asked.code == 0, asked.output
        answers = json.loads(asked.output)
        return [answer["stage"] for answer in answers if answer["reason"]]

    def run(self) -> str:
        ran = self.project.run(PYTHONPATH=str(self.folder))
        assert ran.code == 0, ran.output
        return ran.output


@pytest.fixture(scope="module")
def checkout(make_project) -> Checkout:
    project = make_project()
    project.land("2026-01-01.json", [{"user_id": "u", "age": 121}])
    made = Checkout(project)
    assert "INFO RunAll: 1 batch and the marts are up to date\n" in made.run()
    return made


@pytest.fixture(autouse=True)
def restored(checkout):
    yield
    checkout.restore()


def test_prose__rebuilds_nothing(checkout):
    path = checkout.folder / RULES
    text = path.read_text(encoding="utf-8")
    docstring = re.search(r'\ndef .*\n    """([^"]+)', text)
    path.write_text(f"# Rules.\n{text.replace(docstring[1], 'Something else.')}# the end\n", encoding="utf-8")
    assert "Something else." in path.read_text(encoding="utf-8")
    assert checkout.list_stale_stages() == []
    assert "1 batch and the marts are up to date" in checkout.run()


def test_move__rebuilds_nothing(checkout):
    checkout.move(RULES, "spark_jobs/cleaning/deeper/rules.py")
    assert checkout.list_stale_stages() == []
    assert "1 batch and the marts are up to date" in checkout.run()


def test_rule__rebuilds_clean(checkout):
    checkout.replace(RULES, "OLDEST_AGE = 120", "OLDEST_AGE = 130")
    assert checkout.list_stale_stages()[0] == "Clean"
    assert re.findall(r"INFO (\w+) .*: started", checkout.run())[0] == "Clean"
    assert checkout.project.rows("select age from core.dim_users") == [(121,)]
