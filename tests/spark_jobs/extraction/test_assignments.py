"""Assignments: small files of a batch are read together, large ones in pieces."""

from pathlib import Path

import pytest

from spark_jobs.extraction import assignments, splitting
from spark_jobs.extraction.assignments import Source, assign_again, assign_files
from spark_jobs.extraction.splitting import WHOLE_FILE, Piece


@pytest.fixture
def assigned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[assignments.Assignment]:
    """The assignments of three small files, a large one, one that is gone and a small one."""
    monkeypatch.setattr(splitting, "PIECE_BYTES", 100)
    monkeypatch.setattr(assignments, "GROUP_BYTES", 50)
    sizes = {"a": 20, "b": 30, "c": 1, "large": 300, "d": 49}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"{}\n" * (size // 3) + b" " * (size % 3))
    names = ("a", "b", "c", "large", "gone", "d")
    return assign_files(7, "day", [Source(name, tmp_path / name, max_unpacked_bytes=99) for name in names])


def test_assign_files__groups_small_files_and_splits_large_ones_in_their_order(assigned):
    found = [[(source.file, source.piece) for source in each.sources] for each in assigned]
    assert found == [
        [("a", WHOLE_FILE), ("b", WHOLE_FILE)],
        [("c", WHOLE_FILE)],
        [("large", Piece(0, 102))],
        [("large", Piece(102, None))],
        [("gone", WHOLE_FILE), ("d", WHOLE_FILE)],
    ]
    assert [(each.batch_no, each.batch, each.number, each.careful) for each in assigned] == [
        (7, "day", number, False) for number in range(5)
    ]
    assert {source.max_unpacked_bytes for each in assigned for source in each.sources} == {99}
    assert [each.count_file_ends() for each in assigned] == [2, 1, 0, 1, 2]


def test_assign_again__reads_files_whole_and_with_care_and_deletes_what_was_written(assigned, tmp_path):
    part = assigned[3].path(tmp_path)
    assert part == tmp_path / "documents" / "000003.parquet"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"")
    again = assign_again(assigned[2:4], {7: tmp_path})
    assert [(each.number, each.careful) for each in again] == [(2, True)]
    assert [source.piece for source in again[0].sources] == [WHOLE_FILE]
    assert not part.exists()
