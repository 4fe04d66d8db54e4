"""Runs a job's work in Spark's tasks."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pyspark import SparkContext

TASKS_A_CORE = 8
"""Minimum tasks per core, where there are as many items: a straggler then costs little."""
ITEMS_A_TASK = 8
"""Items per task beyond that minimum: fewer would cost more in starting tasks."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_tasks(spark: SparkContext, items: Sequence[object]) -> int:
    """The number of tasks that share the items."""
    fewest = TASKS_A_CORE * spark.defaultParallelism
    return max(1, min(len(items), max(fewest, len(items) // ITEMS_A_TASK)))


def run_on_each(spark: SparkContext, items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
    """Do the work on every item, in Spark's tasks; the results come in the items' order."""
    return spark.parallelize(items, count_tasks(spark, items)).map(work).collect()


class OfBatch(Protocol):
    """Anything that belongs to a batch, by its number in the request."""

    @property
    def batch_no(self) -> int: ...


def group_by_batch(keys: Sequence[OfBatch], values: Sequence[Result]) -> dict[int, list[Result]]:
    """The values by the batch of their keys, in the same order."""
    found: dict[int, list[Result]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key.batch_no, []).append(value)
    return found
