"""A job as a program: `spark-submit [options] PROGRAM --request FILE --result FILE [--progress FILE]`.

FILE is a path or URI that the driver can reach. The exit code is 0 when the result was written, 2 when the request
cannot be read or the result not be written, and 1 when the job fails.
"""

import argparse
import contextlib
from typing import Any

from spark_jobs.engine import driver
from spark_jobs.messages import JobProgress, MessageError, read_message, require_writable, write_message
from spark_jobs.messages.exchange import Operation

BAD_FILE = 2


def run_program(operation: Operation[Any, Any], module: str) -> None:
    """Carry out the operation that the command line asks for, by the function `run` of a module."""
    driver.end_with_spark_submit()
    parser = _make_parser(operation)
    arguments = parser.parse_args()
    try:
        request = read_message(operation.request, arguments.request)
        require_writable(arguments.result)
        spark, [job] = driver.start_spark([module])
        write_message(arguments.result, job.run(spark, request, _Reporter(arguments.progress).report))
    except MessageError as error:
        parser.exit(BAD_FILE, f"{operation.name}: {error}\n")
    spark.stop()


class _Reporter:
    """Writes the progress of a job to a file, where one is asked for."""

    def __init__(self, place: str | None) -> None:
        self._place = place

    def report(self, progress: JobProgress) -> None:
        if self._place is not None:
            with contextlib.suppress(MessageError):  # progress that cannot be written stops no job
                write_message(self._place, progress)


def _make_parser(operation: Operation[Any, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=operation.name)
    kinds = {"request": operation.request.__name__, "result": operation.result.__name__}
    for option, kind in kinds.items():
        parser.add_argument(f"--{option}", required=True, metavar="FILE", help=f"path or URI of the {kind}, as JSON")
    parser.add_argument("--progress", metavar="FILE", help="path or URI at which the job's progress is kept, as JSON")
    return parser
