"""The age that is filled in where one is missing."""

import pyarrow as pa
import pytest

from spark_jobs.cleaning.ages import count_ages, find_median


@pytest.mark.parametrize(
    ("ages", "expected"),
    [([], None), ([7], 7), ([10, 21], 16), ([1, 2], 2), ([9, 9, 30], 9), ([0, 0, 1, 120], 1), ([120], 120)],
)
def test_find_median__is_that_of_all_known_ages_with_halves_rounded_up(ages, expected):
    users = pa.table({"age": pa.array([*ages, None], pa.int32())})
    assert find_median(count_ages(users)) == expected
