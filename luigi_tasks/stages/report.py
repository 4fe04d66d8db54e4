"""Report: one HTML file that shows the published marts, the ledger and the last runs, and needs nothing else."""

from collections.abc import Sequence

from luigi_tasks import paths, warehouse
from luigi_tasks.report import page
from luigi_tasks.report.target import ReportFile
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.progress import ProgressReporter
from luigi_tasks.stages.publish import Publish
from luigi_tasks.targets.built_from import BuiltFrom


class Report(Stage):
    """Leaves the report, one HTML file, with a stamp that says from which marts, ledger and code it was made."""

    def requires(self) -> Publish:
        return self.clone(Publish)

    def output(self) -> ReportFile:
        return ReportFile(paths.report())

    def built_from(self) -> BuiltFrom:
        def read() -> BuiltFrom:
            with warehouse.reading() as cursor:
                return page.read_built_from(cursor)

        return warehouse.retry_transaction(self.title, read)

    def start_services(self) -> None:
        publish = self.requires()
        if publish.find_stale_reason():
            publish.start_services()

    def build(self, stale: Sequence["Report"], progress: ProgressReporter) -> None:
        page.write_report()
        while self.output().find_stale_reason(self.built_from()):  # an Audit that stops its batch wrote the ledger
            page.write_report()

    def describe_scope(self, stale: Sequence["Report"]) -> str:
        return str(self.output())
