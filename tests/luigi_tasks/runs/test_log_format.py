"""Log lines for people: a mistake of theirs is a sentence, a fault of ours keeps its traceback; for programs JSON."""

import json
import logging
import sys
from datetime import datetime

import pytest

from luigi_tasks.errors import PipelineError
from luigi_tasks.runs.log_format import Formatter, log_to_file


def logged(error: BaseException) -> str:
    try:
        try:
            raise OSError("what lies behind it")
        except OSError as behind:
            raise error from behind
    except BaseException:
        record = logging.LogRecord("luigi", logging.ERROR, "", 0, "Load failed", (), sys.exc_info())
        return Formatter("%(message)s").format(record)


def test_formatter__shows_a_pipeline_error_as_its_sentence():
    assert logged(PipelineError("batch a: mend it")) == "Load failed\n  batch a: mend it"


def test_formatter__shows_a_signal_without_a_traceback():
    assert logged(SystemExit(143)) == "Load failed\n  it was told to end by SIGTERM; run again"


def test_formatter__lets_no_text_forge_a_line_or_drive_a_terminal():
    record = logging.LogRecord(
        "luigi", logging.ERROR, "", 0, "batch %s", ("x\n12:00:00 ERROR y\x1b[2J\u2028z\r.",), None
    )
    shown = Formatter("%(levelname)s %(message)s").format(record)
    assert shown == "ERROR batch x\n  12:00:00 ERROR y\\x1b[2J\\u2028z\\r."


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("[pid 7] Worker Worker(salt=1, username=root, pid=6) failed    Audit(batch=a)", "Audit a failed"),
        (
            "Will not run Replay(batch=, rule=nosuch) or any dependencies due to error in deps() method:\nx",
            "Replay rule=nosuch is not run:\n  x",
        ),
        ("[pid 7] Worker Worker(salt=1) failed    Replay(batch=a, rule=)", "Replay a failed"),
        ("[pid 7] Worker Worker(salt=1) failed    Load(batch=a, table=posts)", "Load a, table=posts failed"),
        (
            "Will not run RunAll(batch=) or any dependencies due to error in deps() method:\nx",
            "RunAll is not run:\n  x",
        ),
    ],
)
def test_formatter__leaves_out_what_luigi_says_of_its_insides(message, shown):
    record = logging.LogRecord("luigi-interface", logging.ERROR, "", 0, message, (), None)
    assert Formatter("%(levelname)s %(message)s").format(record) == f"ERROR {shown}"


def test_formatter__shows_a_wrong_parameter_as_a_sentence():
    try:
        raise PipelineError("batch is missing")
    except PipelineError:
        record = logging.LogRecord(
            "luigi-interface", logging.ERROR, "", 0, "Uncaught exception in luigi", (), sys.exc_info()
        )
    assert Formatter("%(levelname)s %(message)s").format(record) == "ERROR batch is missing"


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("y")])
def test_formatter__keeps_the_traceback_of_a_fault(error):
    assert "Traceback" in logged(error)


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def test_log_to_file__leaves_a_line_of_json_a_record_of_the_block(tmp_path):
    logger = logging.getLogger("luigi_tasks.tried")
    with log_to_file(
        tmp_path / "Load.jsonl", logging.getLogger("luigi_tasks"), "Load", {"run": "r", "batches": ["é\udcff"]}
    ):
        logger.warning("%s of %s\nrows\x1b\u2028", 1, 2)
    logger.warning("no longer")
    [line] = lines(tmp_path / "Load.jsonl")
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "WARNING",
        "logger": "luigi_tasks.tried",
        "message": "1 of 2\nrows\\x1b\\u2028",
        "run": "r",
        "batches": ["é\udcff"],
    }


@pytest.mark.parametrize(
    ("error", "reason", "has_traceback"),
    [
        (PipelineError("mend it"), "mend it", False),
        (KeyError("mend it"), "KeyError: 'mend it'", True),
        (SystemExit(143), "it was told to end by SIGTERM; run again", False),
    ],
)
def test_log_to_file__says_how_a_block_failed(tmp_path, error, reason, has_traceback):
    with pytest.raises(type(error)), log_to_file(tmp_path / "log", logging.getLogger("luigi_tasks"), "Load", {}):
        raise error
    [line] = lines(tmp_path / "log")
    assert (line["level"], line["message"], line["error"]) == ("ERROR", f"Load: failed, {reason}", reason)
    assert ("traceback" in line) == has_traceback
