"""Extract: a batch's landing files to Parquet, one row a document or mapped record."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from luigi_tasks import config, fingerprints, paths, run_id
from luigi_tasks.runs import lock
from luigi_tasks.spark import jobs
from luigi_tasks.stages.base import BatchStage
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets import checkpoint, landing, source_tables
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.checkpoint import CheckpointTarget
from luigi_tasks.targets.manifests import ExtractManifest
from luigi_tasks.targets.source_tables import Decision
from spark_jobs.messages import (
    BatchToExtract,
    ExtractedBatch,
    ExtractRequest,
    ExtractResult,
    FileFault,
    FileToRead,
    TableFacts,
)
from spark_jobs.storage import Location, write_location

NO_ROWS = TableFacts(0, "0")
NOT_READ = ExtractedBatch(NO_ROWS, NO_ROWS, None)
"""Stands for the answer about a batch that Spark is not asked about."""


class Extract(BatchStage):
    """Leaves the checkpoint `extract/BATCH`: `documents` of the native export, `records` of all other sources, with
    every leaf as text.

    Where a file cannot be read, changes meanwhile, or is broken as a whole, the manifest's `fault` names it and the
    place, and there are no documents.
    """

    reads_warehouse = False
    max_batch_size = property(lambda self: config.read_section(config.spark).max_batches)

    def output(self) -> CheckpointTarget[ExtractManifest]:
        return checkpoint.extract_checkpoint(self.batch)

    def built_from(self) -> BuiltFrom:
        return self._fingerprint_inputs(self._read_sources())

    def read_decision(self) -> Decision:
        """The source that somebody decided the batch to be of."""
        return source_tables.read_decision(landing.find_entry(self.batch))

    def _read_sources(self) -> list[landing.SourceFile]:
        manifest = self.output().read_manifest()
        return landing.read_source_files(
            landing.list_files(self.batch, at_first=True), manifest.sources if manifest else ()
        )

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
        sources = self._read_sources()
        reason = target.find_stale_reason(self._fingerprint_inputs(sources))
        if reason is None and sources != manifest.sources and lock.is_held():
            target.rewrite_manifest(replace(manifest, sources=sources))  # the next run need not read them again
        return reason

    def _fingerprint_inputs(self, sources: Sequence[landing.SourceFile]) -> BuiltFrom:
        decided = self.read_decision().source
        files = landing.fingerprint_files(sources)
        keeps_private = config.read_section(config.sources).keep_private
        return {
            "inputs": fingerprints.of_value([files, decided]) if decided else files,
            "code": fingerprints.of_program(paths.SPARK_JOBS / "extraction/job.py", paths.PROJECT),
            "settings": fingerprints.of_value([_list_limits(), source_tables.fingerprint_tables(), keeps_private]),
        }

    def start_services(self) -> None:
        jobs.warm_up()

    def build(self, stale: Sequence["Extract"], progress: ProgressReporter) -> None:
        landing.require_batches(task.batch for task in stale)
        with checkpoint.staging_folder("extract") as staging:
            before = {task.batch: landing.list_files(task.batch) for task in stale}
            decisions = {task.batch: task.read_decision() for task in stale}
            readable = {
                batch: files
                for batch, files in before.items()
                if not decisions[batch].fault and all(file.fault is None for file in files)
            }
            with ThreadPoolExecutor(1) as hashing:  # beside Spark
                hashed = hashing.submit(
                    lambda: {batch: landing.read_source_files(files) for batch, files in before.items()}
                )
                outputs = {
                    batch: checkpoint.extract_checkpoint(batch).locate_output(staging, number)
                    for number, batch in enumerate(readable)
                }
                asked = _make_request(readable, decisions, outputs, staging)
                result = jobs.run_extract(asked, progress.update) if readable else ExtractResult([])
                sources = hashed.result()
            extracted = dict(zip(readable, result.batches, strict=True))
            for task in stale:
                answer = extracted.get(task.batch, NOT_READ)
                found = landing.note_change(task.batch, before[task.batch], sources[task.batch])
                found = landing.note_unread(found, answer.fault)
                task.publish(staging, outputs.get(task.batch), answer, found)
            progress.rows = sum(answer.documents.rows + answer.records.rows for answer in result.batches)

    def publish(
        self, staging: Path, built: Location | None, extracted: ExtractedBatch, sources: Sequence[landing.SourceFile]
    ) -> None:
        """Make the batch's checkpoint appear, from the folder that it was built in (None: Spark was not asked).

        What could not be read, or changed meanwhile, is its fault: the batch is held up, and no other.
        """
        unread = next((FileFault(file.name, None, file.fault) for file in sources if file.fault is not None), None)
        unread = unread or self.read_decision().fault
        fault = unread or extracted.fault
        answer = NOT_READ if unread else extracted
        tables = {"documents": answer.documents, "records": answer.records}
        self.output().publish(
            staging,
            {} if fault or built is None else {table: built / table for table in tables},
            self._fingerprint_inputs(sources),
            sources=sources,
            tables=tables,
            fault=fault,
            content=fingerprints.of_message([tables, fault]),
            found=answer.found,
            unknown_files=answer.unknown_files,
        )


def _make_request(
    batches: Mapping[str, Sequence[landing.LandingFile]],
    decisions: Mapping[str, Decision],
    outputs: Mapping[str, Location],
    staging: Path,
) -> ExtractRequest:
    asked = [
        BatchToExtract(
            batch,
            [_ask_for_file(file) for file in files],
            decisions[batch].source,
            write_location(outputs[batch]),
        )
        for batch, files in batches.items()
    ]
    return ExtractRequest(
        asked,
        str(staging),
        **_list_limits(),
        source_tables=source_tables.read_own_tables(),
        keeps_private=config.read_section(config.sources).keep_private,
    )


def _ask_for_file(file: landing.LandingFile) -> FileToRead:
    return FileToRead(file.name, write_location(file.path), str(file.folder) if file.folder else None)


def _list_limits() -> dict[str, int]:
    """The limits of [landing], in bytes: a file that exceeds one is refused."""
    settings = config.read_section(config.landing)
    return {"max_unpacked_bytes": settings.max_unpacked_bytes, "max_document_bytes": settings.max_document_bytes}
