"""Names and texts of others, as hostile as they can be, in a whole run: they forge no line, drive no terminal, and what
is written about the run is written."""

import json
import os
import pty
import subprocess
import unicodedata

import pytest
from project import NOT_INHERITED, PROGRAMS, MakeProject, Project
from test_notify import receivers

FORGED = "x\n12:00:00 ERROR all is lost\x1b]0;pwned\x07\x1b[2J\u2028\u202e\u0085"
FIELDS = [FORGED, "n\0l", "y" * 9_000, "<script>alert(1)</script>", *(f"field_{number}" for number in range(1_500))]
SHOWN = "x\\n12:00:00 ERROR all is lost\\x1b]0;pwned\\x07\\x1b[2J\\u2028\\u202e\\x85"


@pytest.fixture(scope="module")
def project(make_project: MakeProject) -> Project:
    return make_project()


def require_safe(text: str) -> None:
    """Fail where a text holds a control character, or a line that looks like one of the log and is none."""
    wrong = {char for char in text if unicodedata.category(char) in ("Cc", "Zl", "Zp") and char not in "\n\t"}
    assert not wrong and "\u202e" not in text, wrong
    assert not [line for line in text.split("\n") if line.startswith("12:00:00")]


def test_run__records_and_tells_everything_about_hostile_fields(project):
    project.land("2026-01-01.json", json.dumps([{"user_id": "ann", **dict.fromkeys(FIELDS, 1)}]))
    with receivers() as received:
        ran = project.run(SOCIALMART_NOTIFY=received.addresses)
    assert ran.code == 0 and "Traceback" not in ran.output
    require_safe(ran.output)
    assert len(ran.output) < 20_000
    [(remark,)] = project.rows("select remark from etl.remarks")
    require_safe(remark)
    assert " and 1,4" in remark and remark.endswith(" more")
    assert project.rows("select outcome from etl.runs") == [("done",)]
    [post] = received.posts
    require_safe(post["message"])
    assert f"Unusual:\n- {remark}\n" in post["message"]
    assert set(project.ledger("2026-01-01")["drift"]) >= {"field_0", "field_1499"}
    for command in ("summary", "explain", "rejected"):
        shown = project.socialmart(command)
        assert shown.code == 0
        require_safe(shown.output)


def test_run__of_a_hostile_batch_name_is_recorded_and_told(project):
    for name, shown in {FORGED: SHOWN, os.fsdecode(b"bad\xff"): "bad\\xff"}.items():
        with receivers() as received:
            ran = project.run("Extract", "--Extract-batch", name, SOCIALMART_NOTIFY=received.addresses)
        assert ran.code == 30 and "Traceback" not in ran.output
        require_safe(ran.output)
        assert f"no batch {shown}; expected one of: 2026-01-01" in ran.output.replace("\n  ", "\\n")
        [post] = received.posts
        require_safe(post["message"])
        command, outcome = project.rows("select command, outcome from etl.runs order by started_at desc limit 1")[0]
        assert shown in command and outcome == "failed"
        assert project.rows("select count(*) from etl.stages where outcome = 'failed' and stage = 'Extract'") != [(0,)]


def test_failure__of_a_file_with_a_line_separator_in_its_name_is_told(project):
    project.land("2026-01-02/a\u2028b.json", "[")
    project.land("2026-01-03.json", "[1,")
    with receivers() as received:
        ran = project.run(SOCIALMART_NOTIFY=received.addresses)
    assert ran.code == 30 and "Traceback" not in ran.output
    [post] = received.posts
    require_safe(post["message"])
    assert "a\\u2028b.json: its name is not UTF-8, or holds control characters" in post["message"]
    assert "ERROR Audit 2026-01-02: failed, batch 2026-01-02" in post["message"]


def test_terminal__gets_no_sequence_of_a_name(project):
    project.land("2026-01-01.json", json.dumps([{"user_id": "bob", **dict.fromkeys(FIELDS, 1)}]))
    reader, writer = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    environ = inherited | {"TERM": "xterm", "COLUMNS": "200"}
    for command in (["run"], ["summary"]):
        with subprocess.Popen(
            [PROGRAMS / "socialmart", *command], cwd=project.folder, env=environ, stdout=writer
        ) as process:
            shown = b""
            os.set_blocking(reader, False)
            while process.poll() is None:
                shown += _read(reader)
            shown += _read(reader)
        text = shown.decode()
        assert "field_1" in text
        assert "\x1b]0" not in text and "\x07" not in text and "\x1b[2J" not in text and "\u202e" not in text
    os.close(reader)
    os.close(writer)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return b""
