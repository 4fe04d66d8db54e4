"""How log lines look: for people a time and a sentence, and a traceback only for what is nobody's mistake but ours; for
programs an object of JSON a line, in a file a run and stage."""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from luigi_tasks.errors import PipelineError

TRACEBACK_OF_A_SENTENCE = re.compile(
    r"\s*Traceback \(most recent call last\):\n.*\n"
    r"(?:luigi_tasks\.errors\.\w+: |(?=SystemExit: |luigi\.rpc\.RPCError: ))",
    re.DOTALL,
)


class Formatter(logging.Formatter):
    """The formatter that logging.ini names.

    Luigi logs every error with its traceback; that of a PipelineError, of a signal and of a silent luigid goes.
    """

    def format(self, record: logging.LogRecord) -> str:
        return TRACEBACK_OF_A_SENTENCE.sub("\n  ", super().format(record)).rstrip()


class JsonLines(logging.Formatter):
    """An object a record: `time` (UTC), `level`, `logger`, `message`, and what all lines of a stage have in common."""

    def __init__(self, common: Mapping[str, Any]) -> None:
        super().__init__()
        self._common = common

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._common,
        }
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            line["error"] = str(error) or type(error).__name__
            if not isinstance(error, PipelineError | SystemExit | KeyboardInterrupt):
                line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


@contextmanager
def also_in(path: Path, logger: logging.Logger, common: Mapping[str, Any]) -> Iterator[None]:
    """Have what `logger` and those below it log within the block stand in a file, too, as JSON Lines; and how the block
    ends, where it fails: people are told of that elsewhere."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(JsonLines(common))
    logger.addHandler(handler)
    try:
        yield
    except BaseException:
        record = logger.makeRecord(logger.name, logging.ERROR, "", 0, "failed", (), sys.exc_info())
        handler.handle(record)
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
