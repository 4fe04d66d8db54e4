"""The journal's folder: workers of one run may make it at the same moment."""

from pathlib import Path

from luigi_tasks import paths, run_id
from luigi_tasks.runs import journal


def test_make_run_folder__is_made_by_two_workers_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "logs", lambda: tmp_path / "logs")
    monkeypatch.setenv(run_id.VARIABLE, "run-1")
    made = journal.make_run_folder()
    monkeypatch.setattr(Path, "exists", lambda self: False)  # as the other worker saw it a moment before
    assert journal.make_run_folder() == made
    assert made.is_dir()
