"""How log lines look: a time and a sentence; a traceback only for what is nobody's mistake but ours."""

import logging
import re

TRACEBACK_OF_A_SENTENCE = re.compile(
    r"\s*Traceback \(most recent call last\):\n.*\n(?:luigi_tasks\.errors\.\w+: |(?=SystemExit: ))", re.DOTALL
)


class Formatter(logging.Formatter):
    """The formatter that logging.ini names.

    Luigi logs every error with its traceback; that of a PipelineError and of a signal goes.
    """

    def format(self, record: logging.LogRecord) -> str:
        return TRACEBACK_OF_A_SENTENCE.sub("\n  ", super().format(record)).rstrip()
