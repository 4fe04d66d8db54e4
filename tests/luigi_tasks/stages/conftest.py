"""A place for stages to be tested in alone: folders of their own, and complete stand-ins for what is upstream."""

import json
from collections.abc import Iterator
from pathlib import Path

import luigi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luigi_tasks import config, paths, run_id
from luigi_tasks.stages import answers
from luigi_tasks.targets import checkpoint, landing, manifests
from spark_jobs.messages import CleanCounts, EntityOutcome, FileFault, TableFacts
from spark_jobs.schemas import CHECKPOINT_TABLES, DOCUMENTS, MEASURES, TABLES

NO_SUMS = dict.fromkeys(MEASURES, 0)


class Place:
    """The folders that stages read and write, and complete checkpoints as the stages upstream leave them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.landing = folder / "landing"
        self.landing.mkdir()

    def land(self, name: str, content: object = ()) -> Path:
        """Put a file into the landing folder."""
        path = self.landing / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def leave_extract(self, batch: str, documents: int = 1, fault: FileFault | None = None, content: str = "e") -> None:
        """A complete Extract checkpoint with rows of empty documents, or with a fault."""
        part = self._write_part("documents", DOCUMENTS, documents)
        checkpoint.extract_checkpoint(batch).publish(
            self.folder / "staging",
            {} if fault else {"documents/part.parquet": part},
            {"inputs": "i"},
            sources=[],
            tables={"documents": TableFacts(0 if fault else documents, "d"), "records": TableFacts(0, "0")},
            fault=fault,
            content=content,
        )

    def leave_clean(
        self, batch: str, users: list[str], fault: FileFault | None = None, rejected: int = 0, content: str = "c"
    ) -> None:
        """A complete Clean checkpoint of users alone, of which each has a document; others were rejected."""
        rows = [{"batch": batch, "file": "f", "position": n, "user_id": u} for n, u in enumerate(users)]
        part = self.folder / "users.parquet"
        schema = CHECKPOINT_TABLES["users"]
        pq.write_table(pa.Table.from_pylist([row | {"age_imputed": False} for row in rows], schema), part)
        tables = {table: TableFacts(0, "0") for table in TABLES} | {"users": TableFacts(len(users), "-".join(users))}
        documents = {"accepted": EntityOutcome(len(users), "", {}), "rejected": EntityOutcome(rejected, "", {})}
        accepted = {"accepted": EntityOutcome(len(users), "u", NO_SUMS)}
        read = {"documents": len(users) + rejected, "users": len(users)}
        outcomes = {"document": documents, "user": accepted, "post": {}, "comment": {}}
        counts = CleanCounts(read, outcomes, ["shoe_size"])
        checkpoint.clean_checkpoint(batch).publish(
            self.folder / "staging",
            {} if fault else {"users/part.parquet": part},
            {"inputs": "e"},
            tables={} if fault else tables,
            counts=None if fault else counts,
            fault=fault,
            content=content,
        )

    def forget_answers(self) -> None:
        """As if another process asked: what was found up to date is asked again."""
        answers._up_to_date.clear()
        landing._list_entries_once.cache_clear()

    def list_files(self) -> dict[str, int]:
        """Every file of the place, by its path, and when it was changed (ns)."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.stat().st_mtime_ns for path in found}

    def _write_part(self, name: str, schema: pa.Schema, rows: int) -> Path:
        part = self.folder / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist([{"batch": "b"}] * rows, schema), part)
        return part


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of its own, with nothing remembered from the tests before."""
    for section, key in (("landing", "folder"), ("checkpoints", "folder"), ("logs", "folder")):
        monkeypatch.setattr(config.read_section_once(getattr(config, section)), key, str(tmp_path / section))
    monkeypatch.setenv(run_id.VARIABLE, "run-1")
    folders = (paths.landing, paths.checkpoints, paths.checkpoint, paths.local_state)
    cached = (*folders, landing._list_entries_once, manifests.read_manifest_file)
    for function in cached:
        function.cache_clear()
    luigi.task_register.Register.clear_instance_cache()
    answers._up_to_date.clear()
    yield Place(tmp_path)
    for function in cached:
        function.cache_clear()
    answers._up_to_date.clear()
