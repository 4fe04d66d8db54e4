"""Extract: a batch's landing files to Parquet, one row a document."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from luigi_tasks import config, fingerprints, paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.spark import jobs
from luigi_tasks.stages.base import BatchStage, counted
from luigi_tasks.stages.progress import timed
from luigi_tasks.targets import checkpoint, landing
from luigi_tasks.targets.checkpoint import BuiltFrom, CheckpointTarget
from spark_jobs.messages import BatchToExtract, ExtractedBatch, ExtractRequest, FileToRead


class Extract(BatchStage):
    """Leaves the checkpoint `extract/BATCH/documents`: one row a document, every leaf as text.

    Where a file is broken as a whole, the manifest's `fault` names it and the place, and there are no documents.
    """

    max_batch_size = property(lambda self: config.read(config.spark).max_batches)

    def output(self) -> CheckpointTarget:
        return CheckpointTarget("extract", self.batch)

    def built_from(self) -> BuiltFrom:
        return _built_from(landing.look(self.batch, self.output().manifest().get("sources", [])))

    def target_stale(self) -> str | None:
        if landing.entry(self.batch) is None:
            return None if self.output().manifest() else f"there is no batch {self.batch} in {paths.landing()}"
        target = self.output()
        manifest = target.manifest()
        if not manifest:  # whatever the files hold, which takes time to read
            return target.why_stale(None)
        if manifest.get("run") == run_id.current():  # what has changed since it was read is the next run's
            return target.why_stale(None)
        return target.why_stale(self.built_from())

    def warm_up(self) -> None:
        jobs.warm_up()

    def run(self) -> None:
        tasks = self.pending()
        if not tasks:
            return
        landing.require(task.batch for task in tasks)
        with timed(self, counted(len(tasks))) as work, checkpoint.staging_folder("extract") as staging:
            before = {task.batch: landing.stand(task.batch) for task in tasks}
            with ThreadPoolExecutor(1) as beside:
                looked = beside.submit(lambda: [landing.look(batch, []) for batch in before])
                result = jobs.run_extract(_request(list(before), str(staging)), work.tell)
            changed = []
            for number, (task, found, seen) in enumerate(zip(tasks, result.batches, looked.result(), strict=True)):
                if landing.is_changed(task.batch, before[task.batch], seen):
                    changed.append(task.batch)
                    continue
                folder = staging / f"batch_no={number}" / "documents"
                parts = {} if found.fault else {"documents": folder}
                task.output().publish(staging, parts, _facts(found, seen))
            work.rows = sum(found.documents.rows for found in result.batches)
        if changed:
            raise PipelineError(f"batch {', '.join(changed)}: files changed while they were read; run again")


def _built_from(sources: list[landing.SourceFile]) -> BuiltFrom:
    return {
        "inputs": landing.fingerprint(sources),
        "code": fingerprints.of_program(paths.SPARK_JOBS / "extraction" / "job.py", paths.PROJECT),
        "settings": fingerprints.of_value(_settings()),
    }


def _settings() -> dict[str, Any]:
    return {"max_unpacked_bytes": config.read(config.landing).max_unpacked_bytes}


def _request(batches: list[str], staging: str) -> ExtractRequest:
    return ExtractRequest(
        batches=[
            BatchToExtract(batch, [FileToRead(name, str(path)) for name, path in landing.files(batch).items()])
            for batch in batches
        ],
        staging=staging,
        **_settings(),
    )


def _facts(found: ExtractedBatch, sources: list[landing.SourceFile]) -> dict[str, Any]:
    tables = {"documents": asdict(found.documents)}
    fault = asdict(found.fault) if found.fault else None
    return {
        "built_from": dict(_built_from(sources)),
        "sources": [file.as_json() for file in sources],
        "tables": tables,
        "fault": fault,
        "content": fingerprints.of_value([tables, fault]),
    }
