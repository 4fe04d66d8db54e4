"""How log lines look: a time and a sentence for people, JSON Lines for programs.

People see a traceback only for faults of the program, not for a PipelineError or a signal.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from luigi_tasks.errors import PipelineError

TRACEBACK_BEFORE_SENTENCE = re.compile(
    r"\s*Traceback \(most recent call last\):\n.*\n"
    r"(?:luigi_tasks\.errors\.\w+: |(?=SystemExit: ))",
    re.DOTALL,
)
"""The traceback of an error whose message is enough."""


class Formatter(logging.Formatter):
    """The formatter that logging.ini names: removes tracebacks of errors whose message is enough."""

    def format(self, record: logging.LogRecord) -> str:
        return TRACEBACK_BEFORE_SENTENCE.sub("\n  ", super().format(record)).rstrip()


class JsonLinesFormatter(logging.Formatter):
    """Formats a record as a JSON object: `time` (UTC), `level`, `logger`, `message` and the fields in `common`.

    A record of an error has `error` too, and a `traceback` if it is a fault of the program.
    """

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


class _StageLogHandler(logging.FileHandler):
    """Leaves out what cannot be written: the same lines go to the log of the run, and the journal says that once."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Pass over an error of the disk; show any other, as logging does."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file; what is still buffered may not fit."""
        with suppress(OSError):
            super().close()


@contextmanager
def log_to_file(path: Path, logger: logging.Logger, common: Mapping[str, Any]) -> Iterator[None]:
    """Write what `logger` and the loggers below it log during the block to a file, too, as JSON Lines.

    Every line has the fields in `common`. If the block fails, the last line says how; only the file gets that line.
    """
    handler = _StageLogHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(JsonLinesFormatter(common))
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
