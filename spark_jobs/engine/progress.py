"""How far a job is: Spark's tasks count what they have done, and who asked for the job is told now and then."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import SparkContext

from spark_jobs.engine.request_server import Tell

SECONDS_BETWEEN = 0.5


class Progress:
    """Counts of what a job's tasks have done; each task adds to them when it ends.

    `items` of `total` are done; `text` says it in words, with {items}, {rows} and {files} to be filled in.
    """

    def __init__(self, spark: SparkContext, total: int, text: str) -> None:
        self._counts = {name: spark.accumulator(0) for name in ("items", "rows", "files")}
        self._total = total
        self._text = text

    def add(self, rows: int = 0, files: int = 0) -> None:
        """One more item is done; called in a task."""
        for name, count in (("items", 1), ("rows", rows), ("files", files)):
            self._counts[name].add(count)

    @contextmanager
    def told(self, tell: Tell) -> Iterator[None]:
        """Tell how far it is, now and then while the block lasts, and at its end."""
        ended = threading.Event()
        teller = threading.Thread(target=self._keep_telling, args=(tell, ended), daemon=True)
        teller.start()
        try:
            yield
        finally:
            ended.set()
            teller.join()

    def _keep_telling(self, tell: Tell, ended: threading.Event) -> None:
        while not ended.wait(SECONDS_BETWEEN):
            self._tell(tell)
        self._tell(tell)

    def _tell(self, tell: Tell) -> None:
        counts = {name: counter.value for name, counter in self._counts.items()}
        tell({"done": counts["items"], "total": self._total, "status": self._text.format(**counts)})
