"""Report: one HTML file that shows the published marts, the ledger and the last runs, and needs nothing else."""

from luigi_tasks import paths, warehouse
from luigi_tasks.report import page
from luigi_tasks.report.target import ReportFile
from luigi_tasks.stages.base import Stage
from luigi_tasks.stages.progress import timed
from luigi_tasks.stages.publish import Publish
from luigi_tasks.targets.checkpoint import BuiltFrom


class Report(Stage):
    """Leaves the report, one HTML file, with a stamp that says from which marts, ledger and code it was made."""

    def requires(self) -> Publish:
        return self.clone(Publish)

    def output(self) -> ReportFile:
        return ReportFile(paths.report())

    def built_from(self) -> BuiltFrom:
        with warehouse.reading() as cursor:
            return page.read_built_from(cursor)

    def target_stale(self) -> str | None:
        return self.output().why_stale(warehouse.retried(self.title, self.built_from))

    def warm_up(self) -> None:
        publish = self.requires()
        if publish.why_stale():
            publish.warm_up()

    def run(self) -> None:
        if not self.target_stale():
            return
        with timed(self, str(self.output())):
            page.write_report()
