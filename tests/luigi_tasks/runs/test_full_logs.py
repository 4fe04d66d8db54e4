"""A log that cannot be written ends no run."""

import errno
import os
from pathlib import Path

from luigi_tasks import paths, run_id
from luigi_tasks.runs import journal
from luigi_tasks.runs.journal import RunEnd, StageFailure


def test_append_event__warns_once_and_goes_on_where_the_disk_is_full(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(paths, "logs", lambda: tmp_path)
    journal.make_run_folder()
    journal._warn_of_journal.cache_clear()

    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(Path, "open", refuse)
        for _ in range(2):
            journal.append_event(StageFailure("Extract", "a"))
    [record] = [each for each in caplog.records if "cannot be written" in each.getMessage()]
    assert "(No space left on device); the run goes on" in record.getMessage()
    journal.append_event(RunEnd(0, "", "RunAll"))
    assert journal.read_end(run_id.get_run_id()) == RunEnd(0, "", "RunAll")


def test_parse_events__passes_over_a_line_that_was_cut_off():
    assert list(
        journal.parse_events(
            ['{"event": "failure", "title": "Extr', '{"event": "failure", "title": "a", "reason": "b"}']
        )
    ) == [StageFailure("a", "b")]
