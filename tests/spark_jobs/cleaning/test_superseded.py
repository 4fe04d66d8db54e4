"""Superseded records are found by keys that come again, across all parts of a batch."""

import numpy as np

from spark_jobs.cleaning.superseded import (
    CandidateKeys,
    collect_rows,
    find_repeated,
    find_superseded,
    split_into_buckets,
)


def test_find_repeated__gives_every_record_whose_key_comes_again():
    keys = np.array([[1, 1], [1, 2], [1, 1], [2, 1], [2, 1], [1, 1], [3, 3]], "u8")
    assert find_repeated(keys).tolist() == [0, 2, 3]
    assert find_repeated(keys[:0]).tolist() == []
    assert find_repeated(keys[6:]).tolist() == []


def number_keys(entity: str, batch_no: int, part: int, *keys: tuple[int, int]) -> CandidateKeys:
    return CandidateKeys(entity, batch_no, part, np.array(keys, "u8").reshape(-1, 2), np.arange(len(keys)))


def test_find_superseded__finds_the_same_however_many_buckets_there_are():
    parts = [
        number_keys("user", 0, 1, (1, 1), (2, 2), (1, 1)),
        number_keys("user", 0, 0, (1, 1), (2, 9), (3, 3)),
        number_keys("post", 0, 1, (1, 1), (4, 4)),
        number_keys("post", 0, 2, (4, 4)),
        number_keys("user", 1, 3, (1, 1)),
    ]
    for buckets in (1, 2, 3):
        pairs = [pair for keys in parts for pair in split_into_buckets(keys, buckets)]
        found = [
            superseded
            for bucket in range(buckets)
            for superseded in find_superseded(keys for number, keys in pairs if number == bucket)
        ]
        rows = {
            (part, entity): sorted(of_entity.tolist())
            for part, of_part in collect_rows(found).items()
            for entity, of_entity in of_part.items()
        }
        assert rows == {(0, "user"): [0], (1, "user"): [0], (1, "post"): [1]}
