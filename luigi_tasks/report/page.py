"""The report's page: its data in its template, with a stamp that says what it was built from."""

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
from luigi_tasks.report.data import collect
from luigi_tasks.runs import journal
from luigi_tasks.targets.built_from import BuiltFrom


def built_from(cursor: Cursor) -> BuiltFrom:
    """Fingerprints of what a report made now is built from; that of the marts is empty where none are published."""
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


def read_built_from() -> BuiltFrom:
    """Fingerprints of what a report made now is built from."""
    with warehouse.reading() as cursor:
        return built_from(cursor)


def write() -> Path:
    """Write the report of what is published now; returns where it is."""
    stamp, data = warehouse.retry_transaction("Report", _read)
    path = paths.report()
    atomic_files.write_page(path, page(stamp, data), "[report] folder")
    return path


def _read() -> tuple[BuiltFrom, dict[str, Any]]:
    """What a report is built from and what it shows, of one moment."""
    with warehouse.transaction() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        stamp = built_from(cursor)
        if not stamp["marts"]:
            raise PipelineError("warehouse: no marts are published yet; run the pipeline first")
        run = run_id.current()
        try:
            return stamp, collect(cursor, run, journal.read(run))
        except (UndefinedTable, UndefinedColumn) as error:
            found = str(error).splitlines()[0]
            raise PipelineError(
                f"report: it cannot be made of what is published ({found}); bring the mart back as it was"
            ) from error


def page(stamp: BuiltFrom, data: dict[str, Any]) -> str:
    """The HTML of the report. Scripts are allowed by their digests; whatever came with the data is text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(paths.REPORT_TEMPLATE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"default": float, "separators": (",", ":")}
    scripts = [paths.plotly_js().read_text(encoding="utf-8"), (paths.REPORT_TEMPLATE / "page.js").read_text("utf-8")]
    return environment.get_template("page.html").render(
        stamp=",".join(f"{name}={value}" for name, value in sorted(stamp.items())),
        scripts=scripts,
        digests=[_digest(script) for script in scripts],
        style=(paths.REPORT_TEMPLATE / "page.css").read_text(encoding="utf-8"),
        top=queries.TOP,
        charts={name: data[name] for name in ("unit", "timeline", "hours", "reactions", "tags_over_time", "runs")},
        **data,
    )


def _digest(script: str) -> str:
    """As a content security policy names a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
