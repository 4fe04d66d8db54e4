"""Extract: a batch's landing files to Parquet, one row a document."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from luigi_tasks import config, fingerprints, paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.spark import session
from luigi_tasks.stages.base import BatchStage, counted
from luigi_tasks.stages.progress import timed
from luigi_tasks.targets import checkpoint, landing
from luigi_tasks.targets.checkpoint import BuiltFrom, CheckpointTarget


class Extract(BatchStage):
    """Leaves the checkpoint `extract/BATCH/documents`: one row a document, every leaf as text.

    Where a file is broken as a whole, the manifest's `fault` names it and the place, and there are no documents.
    """

    max_batch_size = property(lambda self: config.read_section(config.spark).max_batches)

    def output(self) -> CheckpointTarget:
        return CheckpointTarget("extract", self.batch)

    def built_from(self) -> BuiltFrom:
        known = [landing.SourceFile.from_dict(fields) for fields in self.output().manifest().get("sources", [])]
        return _built_from(landing.read_source_files(self.batch, known))

    def target_stale(self) -> str | None:
        if landing.find_entry(self.batch) is None:
            return None if self.output().manifest() else f"there is no batch {self.batch} in {paths.landing()}"
        target = self.output()
        manifest = target.manifest()
        if not manifest:  # whatever the files hold, which takes time to read
            return target.why_stale(None)
        if manifest.get("run") == run_id.get_run_id():  # what has changed since it was read is the next run's
            return target.why_stale(None)
        return target.why_stale(self.built_from())

    def warm_up(self) -> None:
        session.start()

    def run(self) -> None:
        tasks = self.pending()
        if not tasks:
            return
        landing.require_batches(task.batch for task in tasks)
        with timed(self, counted(len(tasks))) as work, checkpoint.staging_folder("extract") as staging:
            before = {task.batch: landing.stat_files(task.batch) for task in tasks}
            with ThreadPoolExecutor(1) as beside:
                looked = beside.submit(lambda: [landing.read_source_files(batch, []) for batch in before])
                result = session.ask("extract", _request(list(before), str(staging)), work.tell)
            changed = []
            for number, (task, found, seen) in enumerate(zip(tasks, result["batches"], looked.result(), strict=True)):
                if landing.has_batch_changed(task.batch, before[task.batch], seen):
                    changed.append(task.batch)
                    continue
                folder = staging / f"batch_no={number}" / "documents"
                parts = {} if found["fault"] else {"documents": folder}
                task.output().publish(staging, parts, _facts(found, seen))
            work.rows = sum(found["tables"]["documents"]["rows"] for found in result["batches"])
        if changed:
            raise PipelineError(f"batch {', '.join(changed)}: files changed while they were read; run again")


def _built_from(sources: list[landing.SourceFile]) -> BuiltFrom:
    return {
        "inputs": landing.fingerprint_files(sources),
        "code": fingerprints.of_program(paths.SPARK_JOBS / "extract.py", paths.PROJECT),
        "settings": fingerprints.of_value(_settings()),
    }


def _settings() -> dict[str, Any]:
    return {"max_unpacked_bytes": config.read_section(config.landing).max_unpacked_bytes}


def _request(batches: list[str], staging: str) -> dict[str, Any]:
    return {
        "batches": [
            {
                "name": batch,
                "files": [{"name": name, "path": str(path)} for name, path in landing.list_source_files(batch).items()],
            }
            for batch in batches
        ],
        "staging": staging,
        "settings": _settings(),
    }


def _facts(found: dict[str, Any], sources: list[landing.SourceFile]) -> dict[str, Any]:
    return {
        "built_from": dict(_built_from(sources)),
        "sources": [file.to_dict() for file in sources],
        "tables": found["tables"],
        "fault": found["fault"],
        "content": fingerprints.of_value([found["tables"], found["fault"]]),
    }
