"""Extract: a batch's landing files to Parquet, one row a document."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from luigi_tasks import config, fingerprints, paths, run_id
from luigi_tasks.errors import PipelineError
from luigi_tasks.spark import jobs
from luigi_tasks.stages.base import BatchStage
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets import checkpoint, landing
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.checkpoint import CheckpointTarget
from luigi_tasks.targets.manifests import ExtractManifest
from spark_jobs.messages import BatchToExtract, ExtractedBatch, ExtractRequest, FileToRead


class Extract(BatchStage):
    """Leaves the checkpoint `extract/BATCH/documents`: one row a document, every leaf as text.

    Where a file is broken as a whole, the manifest's `fault` names it and the place, and there are no documents.
    """

    reads_warehouse = False
    max_batch_size = property(lambda self: config.read_section(config.spark).max_batches)

    def output(self) -> CheckpointTarget[ExtractManifest]:
        return checkpoint.extract_checkpoint(self.batch)

    def built_from(self) -> BuiltFrom:
        manifest = self.output().read_manifest()
        return _fingerprint_inputs(landing.read_source_files(self.batch, manifest.sources if manifest else []))

    def check_target(self) -> str | None:
        target = self.output()
        manifest = target.read_manifest()
        if landing.find_entry(self.batch) is None:
            is_needed = manifest is None and not checkpoint.clean_checkpoint(self.batch).exists()
            return None if not is_needed else f"there is no batch {self.batch} in {paths.landing()}"
        if manifest is None:  # then it takes no reading of the landing files to know
            return target.find_stale_reason(None)
        if manifest.run == run_id.get_run_id():  # what changed after this run read the files is for the next run
            return target.find_stale_reason(None)
        return target.find_stale_reason(self.built_from())

    def start_services(self) -> None:
        jobs.warm_up()

    def build(self, stale: Sequence["Extract"], progress: ProgressReporter) -> None:
        landing.require_batches(task.batch for task in stale)
        with checkpoint.staging_folder("extract") as staging:
            before = {task.batch: landing.stat_files(task.batch) for task in stale}
            with ThreadPoolExecutor(1) as hashing:  # beside Spark
                hashed = hashing.submit(lambda: [landing.read_source_files(batch, []) for batch in before])
                result = jobs.run_extract(_make_request(list(before), staging), progress.update)
            changed = []
            for number, (task, extracted, sources) in enumerate(
                zip(stale, result.batches, hashed.result(), strict=True)
            ):
                if landing.has_batch_changed(task.batch, before[task.batch], sources):
                    changed.append(task.batch)
                else:
                    task.publish(staging, staging / f"batch_no={number}" / "documents", extracted, sources)
            progress.rows = sum(extracted.documents.rows for extracted in result.batches)
        if changed:
            raise PipelineError(f"batch {', '.join(changed)}: files changed while they were read; run again")

    def publish(
        self, staging: Path, documents: Path, extracted: ExtractedBatch, sources: Sequence[landing.SourceFile]
    ) -> None:
        """Make the batch's checkpoint appear, from its folder of documents."""
        tables = {"documents": extracted.documents}
        self.output().publish(
            staging,
            {} if extracted.fault else {"documents": documents},
            _fingerprint_inputs(sources),
            sources=sources,
            tables=tables,
            fault=extracted.fault,
            content=fingerprints.of_message([tables, extracted.fault]),
        )


def _fingerprint_inputs(sources: Sequence[landing.SourceFile]) -> BuiltFrom:
    return {
        "inputs": landing.fingerprint_files(sources),
        "code": fingerprints.of_program(paths.SPARK_JOBS / "extraction/job.py", paths.PROJECT),
        "settings": fingerprints.of_value(
            {"max_unpacked_bytes": config.read_section(config.landing).max_unpacked_bytes}
        ),
    }


def _make_request(batches: Sequence[str], staging: Path) -> ExtractRequest:
    asked = [
        BatchToExtract(batch, [FileToRead(name, str(path)) for name, path in landing.list_source_files(batch).items()])
        for batch in batches
    ]
    return ExtractRequest(asked, str(staging), _get_max_unpacked_bytes())


def _get_max_unpacked_bytes() -> int:
    return config.read_section(config.landing).max_unpacked_bytes
