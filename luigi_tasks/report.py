"""Report: one HTML file that shows the published marts, the ledger and the last runs, and needs nothing else."""

import base64
import hashlib
import importlib.metadata
import re
from pathlib import Path
from typing import Any

import luigi
from psycopg2.errors import UndefinedColumn, UndefinedTable
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import files, fingerprints, journal, paths, report_data, report_queries, warehouse
from luigi_tasks.checkpoints import BuiltFrom, why_changed
from luigi_tasks.errors import PipelineError
from luigi_tasks.publish import Publish
from luigi_tasks.stage import Stage
from luigi_tasks.work import timed

STAMP = re.compile(rb'<meta name="built-from" content="([^"]*)">')
BYTES_TO_STAMP = 1_000
"""The stamp stands so near to the start that the file is never read as a whole."""


class ReportFile(luigi.Target):
    """The HTML file. It says in its head what it was built from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        return self.path.is_file()

    def why_stale(self, built_from: BuiltFrom) -> str | None:
        """Why the file is not what it should be, None when it is."""
        try:
            with self.path.open("rb") as file:
                stamp = STAMP.search(file.read(BYTES_TO_STAMP))
        except OSError:
            return "its file is missing or unreadable"
        recorded = stamp.group(1).decode() if stamp else ""
        return why_changed(dict(pair.split("=", 1) for pair in recorded.split(",") if "=" in pair), built_from)


class Report(Stage):
    """Leaves the report, one HTML file, with a stamp that says from which marts, ledger and code it was made."""

    def requires(self) -> Publish:
        return self.clone(Publish)

    def output(self) -> ReportFile:
        return ReportFile(paths.report())

    def built_from(self) -> BuiltFrom:
        with warehouse.reading() as cursor:
            return built_from(cursor)

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
            write()


def built_from(cursor: Cursor) -> BuiltFrom:
    """Fingerprints of what a report made now is built from; that of the marts is empty where none are published."""
    cursor.execute("select to_regclass('etl.table_updates') is not null")
    if cursor.fetchone() == (True,):
        cursor.execute(report_queries.BUILT_FROM)
        found = dict(cursor.fetchall())
    else:
        found = {}
    return {
        "marts": found.get("marts", ""),
        "ledger": found.get("etl.ledger", ""),
        "code": fingerprints.of_modules(*paths.REPORT_SOURCES),
        "template": fingerprints.of_files(paths.REPORT_TEMPLATE, paths.REPORT_PAGE),
        "plotly": importlib.metadata.version("plotly"),
    }


def write() -> Path:
    """Write the report of what is published now; returns where it is."""
    stamp, data = warehouse.retried("Report", _read)
    path = paths.report()
    files.write_page(path, page(stamp, data), "[report] folder")
    return path


def _read() -> tuple[BuiltFrom, dict[str, Any]]:
    """What a report is built from and what it shows, of one moment."""
    with warehouse.transaction() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        stamp = built_from(cursor)
        if not stamp["marts"]:
            raise PipelineError("warehouse: no marts are published yet; run the pipeline first")
        run = journal.run_id()
        try:
            return stamp, report_data.collect(cursor, run, journal.read(run))
        except (UndefinedTable, UndefinedColumn) as error:
            found = str(error).splitlines()[0]
            raise PipelineError(
                f"report: it cannot be made of what is published ({found}); bring the mart back as it was"
            ) from error


def page(stamp: BuiltFrom, data: dict[str, Any]) -> str:
    """The HTML of the report. Scripts are allowed by their digests; whatever came with the data is text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(paths.REPORT_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"default": float, "separators": (",", ":")}
    scripts = [paths.plotly_js().read_text(encoding="utf-8"), (paths.REPORT_PAGE / "page.js").read_text("utf-8")]
    return environment.get_template("page.html").render(
        stamp=",".join(f"{name}={value}" for name, value in sorted(stamp.items())),
        scripts=scripts,
        digests=[_digest(script) for script in scripts],
        style=(paths.REPORT_PAGE / "page.css").read_text(encoding="utf-8"),
        top=report_queries.TOP,
        charts={name: data[name] for name in ("unit", "timeline", "hours", "reactions", "tags_over_time", "runs")},
        **data,
    )


def _digest(script: str) -> str:
    """As a content security policy names a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
