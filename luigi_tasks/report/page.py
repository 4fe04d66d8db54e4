"""Renders the report, one HTML file, with a stamp of the fingerprints of what it was built from."""

import base64
import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

from psycopg2.errors import UndefinedColumn, UndefinedTable
from psycopg2.extensions import cursor as Cursor

from luigi_tasks import atomic_files, fingerprints, paths, run_id, warehouse
from luigi_tasks.errors import PipelineError
from luigi_tasks.report import queries
from luigi_tasks.report.data import collect_report_data
from luigi_tasks.runs import journal
from luigi_tasks.targets.built_from import BuiltFrom


def read_built_from(cursor: Cursor) -> BuiltFrom:
    """Return fingerprints of what a report would be built from now; the marts' is empty if none are published."""
    cursor.execute("select to_regclass('etl.table_updates') is not null")
    if cursor.fetchone() == (True,):
        cursor.execute(queries.BUILT_FROM)
        found = dict(cursor.fetchall())
    else:
        found = {}
    return {
        "marts": found.get("marts", ""),
        "ledger": found.get("etl.ledger", ""),
        "code": fingerprints.of_modules(*paths.REPORT_CODE),
        "template": fingerprints.of_files(sorted(paths.REPORT_TEMPLATE.iterdir()), paths.REPORT_TEMPLATE),
        "plotly": importlib.metadata.version("plotly"),
    }


def write_report() -> Path:
    """Write the report of what is published now, and return its path.

    Raises PipelineError if no marts are published, or the file cannot be written.
    """
    stamp, data = warehouse.retry_transaction("Report", _read_report_data)
    path = paths.report()
    atomic_files.write_page(path, render_page(stamp, data), "[report] folder")
    return path


def _read_report_data() -> tuple[BuiltFrom, dict[str, Any]]:
    """Return the stamp and the data of a report, from one snapshot of the warehouse."""
    with warehouse.transaction() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        stamp = read_built_from(cursor)
        if not stamp["marts"]:
            raise PipelineError("warehouse: no marts are published yet; run the pipeline first")
        run = run_id.get_run_id()
        try:
            return stamp, collect_report_data(cursor, run, journal.read_finished_stages(run))
        except (UndefinedTable, UndefinedColumn) as error:
            found = str(error).splitlines()[0]
            raise PipelineError(
                f"report: a table or column that it shows is missing ({found}); restore it and run again"
            ) from error


def render_page(stamp: BuiltFrom, data: dict[str, Any]) -> str:
    """Return the report's HTML. Its policy allows only our scripts, by their digests; data is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(paths.REPORT_TEMPLATE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"default": float, "separators": (",", ":")}
    scripts = [paths.plotly_js().read_text(encoding="utf-8"), (paths.REPORT_TEMPLATE / "page.js").read_text("utf-8")]
    return environment.get_template("page.html").render(
        stamp=",".join(f"{name}={value}" for name, value in sorted(stamp.items())),
        scripts=scripts,
        digests=[_compute_digest(script) for script in scripts],
        style=(paths.REPORT_TEMPLATE / "page.css").read_text(encoding="utf-8"),
        top=queries.TOP,
        charts={name: data[name] for name in ("unit", "timeline", "hours", "reactions", "tags_over_time", "runs")},
        **data,
    )


def _compute_digest(script: str) -> str:
    """Return the digest by which a content security policy names a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
