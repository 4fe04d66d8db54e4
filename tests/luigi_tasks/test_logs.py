"""Log lines for people: a mistake of theirs is a sentence, a fault of ours keeps its traceback."""

import logging
import sys

import pytest

from luigi_tasks.errors import PipelineError
from luigi_tasks.logs import Formatter


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
