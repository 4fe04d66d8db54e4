"""dbt's page about the sources, the models and their lineage: one file that needs no server and no network."""

import sys
import tempfile
from pathlib import Path

from luigi_tasks import atomic_files, paths
from luigi_tasks.dbt import runner
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process

MENDED = {
    'xlink:href="{{ getIcon': 'ng-attr-xlink:href="{{ getIcon',
    "${require('./assets/favicons/favicon.ico')}": "data:,",
}
"""Addresses in dbt's page that a browser tries to load before, or although, there is nothing behind them."""


def write() -> Path:
    """Write the page of the models as they are in the project now, their columns as they are in the warehouse; returns
    where it is."""
    page = _generated()
    for wrong, right in MENDED.items():
        page = page.replace(wrong, right)
    path = paths.docs()
    atomic_files.write_page(path, page, "[report] docs_folder")
    return path


def _generated() -> str:
    """dbt's page. dbt works in a folder of its own: what the pipeline's dbt keeps between runs stays as it is."""
    project, log = str(paths.dbt_project()), paths.service_logs("docs") / "dbt.log"
    with tempfile.TemporaryDirectory() as target:
        options = ["--project-dir", project, "--profiles-dir", project, "--target-path", target]
        output = ["--no-use-colors", "--log-level-file", "none", "--log-path", target]
        argv = [sys.executable, "-m", "dbt.cli.main", "docs", "generate", "--static", *options, *output]
        log.unlink(missing_ok=True)
        process = child_process.start(argv, child_process.environment(**runner.connection()), log)
        try:
            code = process.wait()
        finally:
            child_process.end_group(process)
        if code:
            raise PipelineError(f"dbt docs: ended with exit code {code}; the end of {log}:\n{child_process.tail(log)}")
        return (Path(target) / "static_index.html").read_text(encoding="utf-8")
