"""dbt's documentation of the sources, the models and their lineage: one HTML file that needs no server or network."""

import json
import sys
import tempfile
from pathlib import Path

from luigi_tasks import atomic_files, paths
from luigi_tasks.dbt import runner
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import child_process
from luigi_tasks.warehouse.schema_names import MARTS, OPEN

LINKS_TO_NOTHING = {
    'xlink:href="{{ getIcon': 'ng-attr-xlink:href="{{ getIcon',
    "${require('./assets/favicons/favicon.ico')}": "data:,",
}
"""Links in dbt's page that a browser fails to load, and what takes their place."""


def write_page() -> Path:
    """Write the page, with the project's models and the warehouse's columns as they are now. Returns its path.

    Raises PipelineError if dbt fails or the page cannot be written.
    """
    page = _generate_page()
    for wrong, right in LINKS_TO_NOTHING.items():
        page = page.replace(wrong, right)
    path = paths.docs()
    atomic_files.write_page(path, page, "[report] docs_folder")
    return path


def _generate_page() -> str:
    """The page as dbt makes it, in a temporary folder: what the dbt service keeps between runs is not touched."""
    project, log = str(paths.dbt_project()), paths.service_logs("docs") / "dbt.log"
    with tempfile.TemporaryDirectory() as target:
        options = ["--project-dir", project, "--profiles-dir", project, "--target-path", target]
        output = ["--no-use-colors", "--log-level-file", "none", "--log-path", target]
        seen = {"schema_of_marts": MARTS, "schema_of_open": OPEN}  # as readers see them
        shown = ["--vars", json.dumps(runner.project_variables() | seen)]
        command = ["docs", "generate", "--static", *shown, *options, *output]
        argv = [sys.executable, "-P", "-m", "luigi_tasks.dbt.sessions", *command]
        log.unlink(missing_ok=True)
        process = child_process.start(argv, runner.make_environment(), log)
        try:
            code = process.wait()
        finally:
            child_process.end_group(process)
        if code:
            raise PipelineError(f"dbt docs: ended with exit code {code}; the end of {log}:\n{child_process.tail(log)}")
        return (Path(target) / "static_index.html").read_text(encoding="utf-8")
