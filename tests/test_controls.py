"""What docs/security.md says of controls is there: files, tests, commands and events. tests/end_to_end/test_audited.py
runs the queries."""

import ast
import re

import pytest
from controls import PAGE, Control, list_controls
from project import REPOSITORY

from luigi_tasks.cli.main import main
from luigi_tasks.warehouse import audit_chain

LAWS = {
    "GDPR": r"\d+(\(\d\)(\([a-f]\))?)?",
    "CCPA": r"1798\.\d+(\([a-e]\)(\(\d\))?)?",
    "HIPAA": r"164\.(3\d\d|514)\([a-e]\)(\(\d\)(\([ivx]+\)(\([A-D]\))?)?)?",
    "ISO": r"[5-8]\.\d+",
}
"""How each of them counts."""


@pytest.mark.parametrize("control", list_controls(), ids=lambda control: control.control)
def test_control__names_what_is_there(control: Control):
    assert (REPOSITORY / control.where).is_file()
    file, _, name = control.test.partition("::")
    tree = ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))
    assert name.startswith("test_") and name in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }
    if control.evidence.startswith("make "):
        assert f"\n{control.evidence.removeprefix('make ')}:" in (REPOSITORY / "Makefile").read_text()
    elif not control.evidence.startswith("select "):
        program, *words = control.evidence.split()
        found = main
        for word in words:
            found = getattr(found, "commands", {}).get(word)
        assert program == "socialmart" and found is not None, control.evidence


@pytest.mark.parametrize("control", list_controls(), ids=lambda control: control.control)
def test_control__is_asked_for_where_its_law_could_have_it(control: Control):
    for part in control.asked.split("; "):
        law, _, places = part.partition(" ")
        assert all(re.fullmatch(LAWS[law], place) for place in places.split(", ")), part


def test_manual__has_every_event_of_the_audit_chain():
    code = ast.parse((REPOSITORY / "luigi_tasks/warehouse/audit_chain.py").read_text(encoding="utf-8"))
    names = [
        name.id
        for node in code.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    ]
    events = {getattr(audit_chain, name) for name in names} - {
        audit_chain.WRITER,
        audit_chain.NO_PREVIOUS,
        audit_chain.ENCODED_ANCHOR,
        audit_chain.ROWS_PER_FETCH,
    }
    section = PAGE.read_text(encoding="utf-8").split("| event | ")[1].split("\n\n")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines()[2:]]
    assert {word for cell in cells for word in re.findall("`(.+?)`", cell)} == events
