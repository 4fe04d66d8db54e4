"""How log lines look: a time and a sentence for people, JSON Lines for programs.

People see a traceback only for faults of the program, not for a PipelineError or a signal. Whatever a text of others
holds, it forges no line and drives no terminal.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from luigi_tasks import texts
from luigi_tasks.errors import PipelineError, describe_error, describe_exit

TRACEBACK_BEFORE_SENTENCE = re.compile(
    r"\s*Traceback \(most recent call last\):\n.*\n"
    r"(?:luigi_tasks\.errors\.\w+: |(?=SystemExit: ))",
    re.DOTALL,
)
"""The traceback of an error whose message is enough."""
EXIT = re.compile(r"\n  SystemExit: (\d+)$")
"""How Python says that a stage was ended."""
UNCAUGHT = re.compile(r" Uncaught exception in luigi\n  (?!Traceback)")
"""What Luigi says before a sentence that it does not expect."""
WORDS_OF_LUIGI = (
    (re.compile(r"(?<= )\[pid \d+\] Worker Worker\(.*?\) failed +(\w+)\((.*)\)"), "{} failed"),
    (
        re.compile(r"(?<= )Will not run (\w+)\((.*)\) or any dependencies due to .* method:"),
        "{} is not run:",
    ),
)
"""What Luigi logs about its insides, with a stage and its parameters, and how people read it."""
EMPTY_PARAMETER = re.compile(r"(?:^|, )\w+=(?=, |$)")
"""A parameter of a stage that was not given, among those that Luigi logs."""


class Formatter(logging.Formatter):
    """The formatter that logging.ini names: only the first line of a record is not indented.

    Removes tracebacks of errors whose message is enough.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = TRACEBACK_BEFORE_SENTENCE.sub("\n  ", super().format(record)).rstrip()
        text = EXIT.sub(lambda match: f"\n  {describe_exit(int(match[1]))}", text)
        text = UNCAUGHT.sub(" ", text, count=1)
        for words, plain in WORDS_OF_LUIGI:
            if found := words.search(text):
                given = EMPTY_PARAMETER.sub("", found[2]).removeprefix(", ").removeprefix("batch=")
                stage = plain.format(f"{found[1]} {given}".rstrip())
                text = f"{text[: found.start()]}{stage}{text[found.end() :]}"
        return texts.format_block(text)


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
            "message": texts.format_lines(record.getMessage()),
            **self._common,
        }
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            line["error"] = texts.format_lines(describe_error(error))
            if not isinstance(error, PipelineError | SystemExit | KeyboardInterrupt):
                line["traceback"] = texts.format_lines(self.formatException(record.exc_info))
        return texts.format_json(line)


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
def log_to_file(path: Path, logger: logging.Logger, title: str, common: Mapping[str, Any]) -> Iterator[None]:
    """Write what `logger` and the loggers below it log during the block to a file, too, as JSON Lines.

    Every line has the fields in `common`. If the block, which people call `title`, fails, the last line says why; only
    the file gets that line.
    """
    # What is no UTF-8 stands there as JSON's \ud….
    handler = _StageLogHandler(path, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setFormatter(JsonLinesFormatter(common))
    logger.addHandler(handler)
    try:
        yield
    except BaseException as error:
        text = f"{title}: failed, {describe_error(error).removeprefix(f'{title}: ')}"
        record = logger.makeRecord(logger.name, logging.ERROR, "", 0, "%s", (text,), sys.exc_info())
        handler.handle(record)
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
