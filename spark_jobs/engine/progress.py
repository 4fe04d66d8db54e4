"""Progress of a job: Spark's tasks count what they have done, and the asker is told now and then."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import SparkContext

from spark_jobs.messages.jobs import JobProgress, Tell

SECONDS_BETWEEN = 0.5


class Progress:
    """Counts of what a job's tasks have done; each task adds to them when it ends.

    `items` of `total` are done; `text` says it in words, with {items}, {rows} and {files} to be filled in.
    """

    def __init__(self, spark: SparkContext, total: int, text: str) -> None:
        self._counts = {name: spark.accumulator(0) for name in ("items", "rows", "files")}
        self._total = total
        self._text = text
        self._url = find_page(spark)

    def add(self, rows: int = 0, files: int = 0) -> None:
        """Count one more item, with its rows and files; called in a task."""
        for name, count in (("items", 1), ("rows", rows), ("files", files)):
            self._counts[name].add(count)

    @contextmanager
    def reported(self, tell: Tell) -> Iterator[None]:
        """Report progress now and then while the block lasts, and at its end."""
        ended = threading.Event()
        reporter = threading.Thread(target=self._keep_reporting, args=(tell, ended), daemon=True)
        reporter.start()
        try:
            yield
        finally:
            ended.set()
            reporter.join()

    def _keep_reporting(self, tell: Tell, ended: threading.Event) -> None:
        while not ended.wait(SECONDS_BETWEEN):
            self._report(tell)
        self._report(tell)

    def _report(self, tell: Tell) -> None:
        counts = {name: counter.value for name, counter in self._counts.items()}
        tell(JobProgress(counts["items"], self._total, self._text.format(**counts), self._url))


def find_page(spark: SparkContext) -> str | None:
    """The address of Spark's page: below the master's, where that is the way to it; None where it has none."""
    if spark.uiWebUrl is None:
        return None
    conf = spark.getConf()
    if conf.get("spark.ui.reverseProxy") == "true":
        return f"{conf.get('spark.ui.reverseProxyUrl', '')}/proxy/{spark.applicationId}/"
    return spark.uiWebUrl
