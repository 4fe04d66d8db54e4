"""The pipeline's Luigi tasks: `luigi --module luigi_tasks RunAll`."""

import configparser
import signal
import sys
from pathlib import Path

from luigi_tasks.runs.signals import handle_signals

IS_LUIGI = Path(sys.argv[0]).name == "luigi"
"""Whether this is the program luigi, whose run is about to begin."""

if IS_LUIGI:
    handle_signals()

try:
    import luigi  # noqa: F401  # reads luigi.cfg

    from luigi_tasks import settings_files

    settings_files.add_local_settings()

    from luigi_tasks.runs import command_line
    from luigi_tasks.stages.audit import Audit
    from luigi_tasks.stages.clean import Clean
    from luigi_tasks.stages.dbt_run import DbtRun
    from luigi_tasks.stages.dbt_test import DbtTest
    from luigi_tasks.stages.export import Export
    from luigi_tasks.stages.extract import Extract
    from luigi_tasks.stages.load import Load
    from luigi_tasks.stages.publish import Publish
    from luigi_tasks.stages.replay import Replay
    from luigi_tasks.stages.report import Report
    from luigi_tasks.stages.run_all import RunAll
except (configparser.Error, UnicodeDecodeError) as error:
    raise SystemExit(f"luigi.cfg: cannot be read ({' '.join(str(error).split())}); fix it") from None
except KeyboardInterrupt:
    raise SystemExit(128 + signal.SIGINT) from None

__all__ = ["Audit", "Clean", "DbtRun", "DbtTest", "Export", "Extract", "Load", "Publish", "Replay", "Report", "RunAll"]

if IS_LUIGI:
    command_line.name_tasks_on_error(__all__)
