"""What dbt writes to a log that finds no room is lost, and nothing else."""

import os

from luigi_tasks.dbt import service


def test_open_log__ends_nothing_where_the_disk_is_full():
    full = os.open("/dev/full", os.O_WRONLY)
    with service._open_log(full) as log:
        for _ in range(3):
            print("a line" * 10_000, file=log)
        log.flush()
    os.close(full)


def test_open_log__writes_each_line_at_once(tmp_path):
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with service._open_log(descriptor) as log:
        print("é", file=log)
        assert path.read_bytes() == "é\n".encode()
    os.close(descriptor)
