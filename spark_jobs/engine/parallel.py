"""How the jobs spread their work over Spark's tasks."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pyspark import SparkContext

TASKS_A_CORE = 8
"""So many at least, where there is work for them: the last to finish is not long behind the others."""
ITEMS_A_TASK = 8
"""So many at most, where there is more work than that."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def slices(spark: SparkContext, items: Sequence[object]) -> int:
    """How many tasks share the items."""
    few = TASKS_A_CORE * spark.defaultParallelism
    return max(1, min(len(items), max(few, len(items) // ITEMS_A_TASK)))


def spread(spark: SparkContext, items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
    """Do the work on every item, in Spark's tasks; the results come in the items' order."""
    return spark.parallelize(items, slices(spark, items)).map(work).collect()


class OfBatch(Protocol):
    """Whatever knows the number of its batch."""

    @property
    def batch_no(self) -> int: ...


def by_batch(keys: Sequence[OfBatch], values: Sequence[Result]) -> dict[int, list[Result]]:
    """The values by the batches that their keys are of, in the same order."""
    found: dict[int, list[Result]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key.batch_no, []).append(value)
    return found
