"""The rule for a missing age, if it is configured: the median age of the batch's accepted users."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning.records import build_table
from spark_jobs.cleaning.rules import OLDEST_AGE


def count_ages(users: pa.Table) -> np.ndarray:
    """How many users have each age: an array with an element for each of 0..OLDEST_AGE."""
    return np.bincount(users["age"].drop_null().to_numpy(), minlength=OLDEST_AGE + 1)


def find_median(counts: np.ndarray) -> int | None:
    """The median of the ages that `count_ages` counted, halves rounded up; None where there are none."""
    total = int(counts.sum())
    if not total:
        return None
    middle = np.searchsorted(counts.cumsum(), [(total - 1) // 2, total // 2], side="right")
    return int(middle.sum() + 1) // 2


def fill_in_age(users: pa.Table, age: int) -> pa.Table:
    """The users with `age` where theirs is missing; `age_imputed` says where."""
    is_missing = pc.is_null(users["age"])
    columns = {name: users[name] for name in users.column_names}
    return build_table("users", columns | {"age": pc.fill_null(users["age"], age), "age_imputed": is_missing})
