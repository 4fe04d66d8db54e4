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
    assert logged(SystemExit(143)) == "Load failed\n  SystemExit: 143"


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("y")])
def test_formatter__keeps_the_traceback_of_a_fault(error):
    assert "Traceback" in logged(error)


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_log_to_file__leaves_a_line_of_json_a_record_of_the_block(tmp_path):
    logger = logging.getLogger("luigi_tasks.tried")
    with log_to_file(tmp_path / "Load.jsonl", logging.getLogger("luigi_tasks"), {"run": "r", "batches": ["é"]}):
        logger.warning("%s of %s\nrows", 1, 2)
    logger.warning("no longer")
    [line] = lines(tmp_path / "Load.jsonl")
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "WARNING",
        "logger": "luigi_tasks.tried",
        "message": "1 of 2\nrows",
        "run": "r",
        "batches": ["é"],
    }


@pytest.mark.parametrize(("error", "has_traceback"), [(PipelineError("mend it"), False), (KeyError("mend it"), True)])
def test_log_to_file__says_how_a_block_failed(tmp_path, error, has_traceback):
    with pytest.raises(type(error)), log_to_file(tmp_path / "log", logging.getLogger("luigi_tasks"), {}):
        raise error
    [line] = lines(tmp_path / "log")
    assert (line["level"], line["message"]) == ("ERROR", "failed")
    assert "mend it" in line["error"]
    assert ("traceback" in line) == has_traceback
