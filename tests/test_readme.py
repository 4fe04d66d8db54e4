"""README.md and CONTRIBUTING.md against the code: settings, commands, length."""

import configparser
import re

from luigi_tasks import config, paths
from luigi_tasks.stages.registry import STAGES

README = (paths.PROJECT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (paths.PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_readme__is_short():
    assert len(README.splitlines()) <= 200


def test_readme__draws_the_stages_in_their_order():
    drawn = re.search(r"^ +data/landing/ +(.+──►.+)$", README, re.MULTILINE)
    assert drawn is not None
    stages = list(dict.fromkeys(kind.name.split()[0] for kind in STAGES if not kind.is_optional))
    assert [name.split()[0] for name in drawn[1].split(" ──► ")] == stages


def test_settings__are_those_of_the_readme():
    table = README.split("## Settings")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.startswith("| ")]
    documented = {(row[1], key.strip()) for row in rows[2:] for key in row[2].split(",")}
    known = {(section.get_task_family(), key) for section in config.SECTIONS for key, _ in section.get_params()}
    assert documented == known


def test_luigi_cfg__has_no_setting_that_is_not_known():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(paths.PROJECT / "luigi.cfg")
    ours = {section.get_task_family(): dict(section.get_params()) for section in config.SECTIONS}
    found = {(name, key) for name in parser.sections() if name in ours for key in parser[name]}
    assert found <= {(name, key) for name, keys in ours.items() for key in keys}


def test_make__has_every_target_that_readme_and_contributing_name():
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", README + CONTRIBUTING, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):.*##", (paths.PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert named <= targets


def test_contributing__names_only_tests_that_exist():
    named = set(re.findall(r"-m pytest -q (.+?)(?: -k \w+)?$", CONTRIBUTING, re.MULTILINE))
    lost = [path for paths_ in named for path in paths_.split() if not (paths.PROJECT / path).exists()]
    assert named and not lost
