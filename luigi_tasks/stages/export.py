"""Export: the published marts as Parquet, in a folder or an object store, for those who read from a lake."""

from collections.abc import Sequence

from luigi_tasks import paths, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.export.target import ExportFolder
from luigi_tasks.export.version import read_built_from, write_export
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.stages.publish import Publish
from luigi_tasks.targets.built_from import BuiltFrom


class Export(Stage):
    """Leaves the marts, all of one moment, as Parquet files, and a manifest that says from which marts they were made.

    It is part of a run where [export] folder is set.
    """

    def requires(self) -> Publish:
        return self.clone(Publish)

    def output(self) -> ExportFolder:
        folder = paths.export()
        if folder is None:
            raise PipelineError(
                "luigi.cfg, section [export], key folder: is empty, so the marts are not exported; name a folder, "
                "s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
            )
        return ExportFolder(folder)

    def built_from(self) -> BuiltFrom:
        def read() -> BuiltFrom:
            with warehouse.reading() as cursor:
                return read_built_from(cursor)

        return warehouse.retry_transaction(self.title, read)

    def start_services(self) -> None:
        publish = self.requires()
        if publish.find_stale_reason():
            publish.start_services()

    def build(self, stale: Sequence["Export"], progress: ProgressReporter) -> None:
        progress.rows = write_export(self.output().folder, progress.update)

    def describe_scope(self, stale: Sequence["Export"]) -> str:
        return str(self.output())
