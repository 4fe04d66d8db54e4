"""Clean: a batch's documents to the tables users, posts, comments, rejected and issues."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from luigi_tasks import config, fingerprints, paths
from luigi_tasks.spark import jobs
from luigi_tasks.stages.base import BatchStage
from luigi_tasks.stages.extract import Extract
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.targets import checkpoint, landing
from luigi_tasks.targets.built_from import BuiltFrom
from luigi_tasks.targets.checkpoint import CheckpointTarget
from luigi_tasks.targets.manifests import CleanManifest
from spark_jobs.messages import BatchToClean, CleanCounts, CleanRequest, FileFault, TableFacts
from spark_jobs.schemas import ENTITY_TABLES, EXTRACT_TABLES, TABLES
from spark_jobs.storage import Location, write_location


class Clean(BatchStage):
    """Leaves the checkpoint `clean/BATCH`: users, posts, comments, rejected, issues, and the superseded records.

    The manifest holds the counts that Audit balances. A batch with a broken file has no tables, only the `fault`.
    """

    reads_warehouse = False
    max_batch_size = property(lambda self: config.read_section(config.spark).max_batches)

    def requires(self) -> Extract:
        return self.clone(Extract)

    def output(self) -> CheckpointTarget[CleanManifest]:
        return checkpoint.clean_checkpoint(self.batch)

    def built_from(self) -> BuiltFrom:
        extracted = self.input().read_manifest()
        return {
            "inputs": extracted.content if extracted else "",
            "code": fingerprints.of_program(paths.SPARK_JOBS / "cleaning/job.py", paths.PROJECT),
            "settings": fingerprints.of_value({"impute_age": _imputes_age(), "fill_in_users": _fills_in_users()}),
        }

    def check_target(self) -> str | None:
        if landing.find_entry(self.batch) is None:  # it stays as it is
            return self.output().find_stale_reason(None)
        return super().check_target()

    def start_services(self) -> None:
        jobs.warm_up()

    def build(self, stale: Sequence["Clean"], progress: ProgressReporter) -> None:
        faults = {task: task.input().require_manifest().fault for task in stale}
        whole = [task for task, fault in faults.items() if fault is None]
        with checkpoint.staging_folder("clean") as staging:
            for task, fault in faults.items():
                if fault:
                    task.publish(staging, {}, {}, None, fault)
            if not whole:
                return
            outputs = [task.output().locate_output(staging, number) for number, task in enumerate(whole)]
            result = jobs.run_clean(_make_request(whole, outputs, staging), progress.update)
            rows = 0
            for task, output, cleaned in zip(whole, outputs, result.batches, strict=True):
                task.publish(staging, _list_parts(output), cleaned.tables, cleaned.counts, None)
                rows += sum(table.rows for table in cleaned.tables.values())
            progress.rows = rows

    def publish(
        self,
        staging: Path,
        parts: Mapping[str, Location],
        tables: Mapping[str, TableFacts],
        counts: CleanCounts | None,
        fault: FileFault | None,
    ) -> None:
        """Make the batch's checkpoint appear, from its built folders."""
        built_from = self.built_from()
        content = fingerprints.of_message([tables, counts, built_from["inputs"] if fault else None])
        self.output().publish(staging, parts, built_from, tables=tables, counts=counts, fault=fault, content=content)


def _imputes_age() -> bool:
    return config.read_section(config.quality).fill_missing_age == "median"


def _fills_in_users() -> bool:
    return config.read_section(config.quality).partial_users == config.FILL_IN


def _make_request(tasks: Sequence[Clean], outputs: Sequence[Location], staging: Path) -> CleanRequest:
    batches = []
    for task, output in zip(tasks, outputs, strict=True):
        extracted = task.input()
        tables = extracted.require_intact().tables
        root = extracted.find_root()
        folders = [write_location(root / table) for table in EXTRACT_TABLES if tables[table].rows]
        batches.append(BatchToClean(task.batch, folders, write_location(output)))
    return CleanRequest(batches, str(staging), _imputes_age(), _fills_in_users())


def _list_parts(output: Location) -> Mapping[str, Location]:
    """The checkpoint's folders and where they were built: accepted records under their table's name, superseded ones
    in a folder of their own."""
    folders = [*TABLES, *(f"superseded/{table}" for table in ENTITY_TABLES.values())]
    return {folder: output / folder for folder in folders}
